// Command labpod is what every test container runs: one static program, no shell, no libc.
//
// The name under which it is started (a link in the image, or the first argument) selects what it does.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: labpod pause                                wait for TERM
       labpod http ADDRESS                         serve /healthz, /started and the pod's files under /files/
       labpod obey FILE ADDRESS                    exit 1 where FILE says "crash", else as http
       labpod cat [FILE...]                        print files, or what comes in
       labpod ls DIRECTORY...                      list directories
       labpod sleep SECONDS                        wait
       labpod deaf [SECONDS]                       wait, and ignore TERM
       labpod crash [MILLISECONDS]                 exit 1, after a while
       labpod false                                exit 1
       labpod resolve NAME [SERVER] [COUNT/EVERY]  look a name up again and again, e.g. web.default.svc 10.96.0.10 100/50ms
       labpod get URL                              print what a server answers
       labpod prober [INTERVAL] NAME...            look names up for ever, and say how many lookups failed
       labpod client KIND [OPTION...] [URL...]     ask the API server for ever as a real client does, and count what fails
       labpod aggregated ADDRESS FOLDER            an API server behind the cluster's, with tls.crt and tls.key of FOLDER
       labpod webhook ADDRESS FOLDER               an admission webhook that allows everything
       labpod forward LISTEN... -- [READYPATH] TARGET...  carry TCP connections
`

func main() {
	words := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	if words[0] == "labpod" {
		words = words[1:]
	}
	if len(words) == 0 {
		fail(2, usage)
	}
	argument := func(n int, otherwise string) string {
		if n < len(words) {
			return words[n]
		}
		return otherwise
	}
	switch words[0] {
	case "pause":
		<-terminated()
	case "http":
		serve(argument(1, ":8080"))
	case "obey":
		if order, err := os.ReadFile(argument(1, "")); err != nil || strings.TrimSpace(string(order)) == "crash" {
			fail(1, "obey: told to crash (%v)\n", err)
		}
		serve(argument(2, ":8080"))
	case "cat":
		cat(words[1:])
	case "ls":
		list(words[1:])
	case "sleep":
		select {
		case <-time.After(duration(argument(1, "0"), time.Second)):
		case <-terminated():
		}
	case "deaf":
		// A pod that takes its whole grace period to end.
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(duration(argument(1, "3600"), time.Second))
	case "crash":
		time.Sleep(duration(argument(1, "0"), time.Millisecond))
		fail(1, "crash: as asked\n")
	case "false":
		os.Exit(1)
	case "resolve":
		resolve(words[1:])
	case "get":
		ended(get(argument(1, "")))
	case "prober":
		ended(probe(words[1:]))
	case "client":
		ended(client(words[1:]))
	case "aggregated":
		ended(aggregated(argument(1, ":8443"), argument(2, "/tls")))
	case "webhook":
		ended(webhook(argument(1, ":8443"), argument(2, "/tls")))
	case "forward":
		ended(forward(words[1:]))
	default:
		fail(2, "labpod: unknown command %q\n%s", words[0], usage)
	}
}

func fail(code int, format string, values ...any) {
	fmt.Fprintf(os.Stderr, format, values...)
	os.Exit(code)
}

// ended says why a command that should go on for ever did not.
func ended(err error) {
	if err != nil {
		fail(1, "labpod: %v\n", err)
	}
}

// terminated is closed when the container is asked to stop. The process is number one of its namespace, so
// without a handler the kernel would drop the signal.
func terminated() <-chan os.Signal {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	return asked
}

func duration(text string, unit time.Duration) time.Duration {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		fail(2, "labpod: %q is not a number\n", text)
	}
	return time.Duration(number * float64(unit))
}

func serve(address string) {
	started := time.Now().UTC().Format(time.RFC3339Nano)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/started", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, started) })
	mux.Handle("/files/", http.StripPrefix("/files", http.FileServer(http.Dir("/"))))
	host, _ := os.Hostname()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, host, started) })
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	asked := terminated()
	go func() {
		<-asked
		// What is being answered is answered; a pod that is replaced must not cost a request.
		deadline, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(deadline)
		os.Exit(0)
	}()
	fmt.Println("serving on", address)
	fail(1, "labpod: %v\n", server.ListenAndServe())
}

func get(url string) error {
	answer, err := (&http.Client{Timeout: 5 * time.Second}).Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}

func cat(files []string) {
	if len(files) == 0 {
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			fail(1, "labpod: %v\n", err)
		}
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			fail(1, "labpod: %v\n", err)
		}
		_, _ = os.Stdout.Write(content)
	}
}

func list(folders []string) {
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			fail(1, "labpod: %v\n", err)
		}
		for _, entry := range entries {
			fmt.Println(entry.Name())
		}
	}
}

// resolve asks for a name COUNT times (0: until TERM), every EVERY, one line on stdout for each failure and a
// summary at the end. Each question goes over a socket of its own, so it never sticks to a server that is gone.
func resolve(words []string) {
	if len(words) == 0 {
		fail(2, usage)
	}
	name, server, count, every := words[0], "", 1, 100*time.Millisecond
	for _, word := range words[1:] {
		if number, pause, found := strings.Cut(word, "/"); found {
			var errs [2]error
			count, errs[0] = strconv.Atoi(number)
			every, errs[1] = time.ParseDuration(pause)
			if errs[0] != nil || errs[1] != nil || every <= 0 {
				fail(2, "labpod: %q is not COUNT/EVERY, e.g. 100/50ms\n", word)
			}
		} else {
			server = word
		}
	}
	resolver := &net.Resolver{PreferGo: true}
	if server != "" {
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(server, "53")
		}
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		}
	}
	asked := terminated()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var took []time.Duration
	failed, longest, streak := 0, 0, 0
	for n := 0; count == 0 || n < count; n++ {
		began := time.Now()
		deadline, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := resolver.LookupHost(deadline, name)
		cancel()
		if err != nil {
			failed, streak = failed+1, streak+1
			longest = max(longest, streak)
			fmt.Printf("%s failed %v\n", began.UTC().Format("15:04:05.000"), err)
		} else {
			streak = 0
			took = append(took, time.Since(began))
		}
		if count != 0 && n == count-1 {
			break
		}
		select {
		case <-ticker.C:
			continue
		case <-asked:
		}
		break
	}
	sort.Slice(took, func(a, b int) bool { return took[a] < took[b] })
	median := time.Duration(0)
	if len(took) > 0 {
		median = took[len(took)/2]
	}
	fmt.Printf("resolved %d of %d, longest outage %d in a row, median %s\n", len(took), len(took)+failed, longest, median.Round(10*time.Microsecond))
	if failed > 0 {
		os.Exit(1)
	}
}
