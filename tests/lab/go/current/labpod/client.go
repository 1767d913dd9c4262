package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

const clientUsage = `usage: client KIND [-every D] [-log FOLDER] [-namespace N] [-config FILE] [-new-every D] [URL...]
  in a pod:    once, fresh, reload, retry, write, watch, scrape URL...
  at the desk: kubeconfig, address SERVER..., failover SERVER..., aggregated SERVER..., webhook SERVER...`

// order is what a client was told.
type order struct {
	every, anew       time.Duration
	namespace, config string
	urls              []string
}

// client asks the API server again and again as one kind of real client does, and counts.
//
// A request to each target starts every -every, though up to three before are not done: an outage then counts as many
// failures as it has moments, but where a server says nothing, four in 5 s. Nothing is tried a second time but by the
// two kinds that are there for it. What the others differ in is when they read who they are and whom they trust, and
// whether they keep their connection.
func client(a []string) error {
	if len(a) == 0 {
		return errors.New(clientUsage)
	}
	kind, o, folder := a[0], order{}, ""
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	flags.DurationVar(&o.every, "every", 100*time.Millisecond, "between two requests")
	flags.DurationVar(&o.anew, "new-every", 200*time.Millisecond, "between two requests over new connections")
	flags.StringVar(&o.namespace, "namespace", "default", "whose config maps are asked for")
	flags.StringVar(&o.config, "config", "", "the kubeconfig")
	flags.StringVar(&folder, "log", "", "where lines are kept when this pod is gone")
	_ = flags.Parse(a[1:])
	o.urls = flags.Args()
	j, err := newJournal(kind, folder)
	if err != nil {
		return err
	}
	start, known := kinds[kind]
	if !known {
		return fmt.Errorf("unknown kind %q\n%s", kind, clientUsage)
	}
	if err := start(j, o); err != nil {
		return err
	}
	return j.keep()
}

var kinds = map[string]func(*journal, order) error{
	"once": func(j *journal, o order) error {
		read, err := once(podIdentity)
		if err != nil {
			return err
		}
		return inPod(j, o, kept(read))
	},
	"fresh": func(j *journal, o order) error {
		read, err := once(podIdentity)
		if err != nil {
			return err
		}
		return inPod(j, o, anew(read))
	},
	"reload":     func(j *journal, o order) error { return inPod(j, o, anew(podIdentity)) },
	"retry":      retries,
	"write":      writes,
	"watch":      watches,
	"scrape":     scrapes,
	"kubeconfig": byKubeconfig,
	"address":    byAddress,
	"failover":   byAnyAddress,
	"aggregated": func(j *journal, o order) error {
		return throughEach(j, o, question{method: "GET", path: "/apis/" + aggregatedGroup + "/answers"})
	},
	"webhook": func(j *journal, o order) error {
		return throughEach(j, o, question{
			method: "POST",
			path:   configMaps(o.namespace) + "?dryRun=All",
			kind:   "application/json",
			body:   `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"asked-"}}`,
		})
	},
}

func configMaps(namespace string) string {
	return "/api/v1/namespaces/" + namespace + "/configmaps"
}

// probeMap is read from etcd each time, behind authentication and authorization.
func probeMap(namespace string) question {
	return question{method: "GET", path: configMaps(namespace) + "/probe"}
}

// service is where a pod finds the API server.
func service() string {
	return "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
}

func inPod(j *journal, o order, c caller) error {
	t := j.tally("service")
	go t.run(o.every, func(ctx context.Context) error { return c.ask(ctx, service(), probeMap(o.namespace)) })
	return nil
}

// writes changes the config map that all others read: what watches hear of.
func writes(j *journal, o order) error {
	t, c := j.tally("service"), anew(podIdentity)
	go t.run(o.every, func(ctx context.Context) error {
		q := probeMap(o.namespace)
		q.method, q.kind = "PATCH", "application/merge-patch+json"
		q.body = fmt.Sprintf(`{"data":{"beat":"%d"}}`, time.Now().UnixMilli())
		return c.ask(ctx, service(), q)
	})
	return nil
}

// scrapes reads metrics as a scraper does: the connection is kept, the token read for each request, the CA for each
// connection. kubelets show certificates that they signed themselves: there no certificate is looked at, as scrapers
// in kubeadm clusters are told (insecure_skip_verify).
func scrapes(j *journal, o order) error {
	for _, url := range o.urls {
		read := podIdentity
		if strings.Contains(url, ":10250") {
			read = func() (identity, error) {
				i, err := podIdentity()
				i.trusting = true
				return i, err
			}
		}
		t, c := j.tally(host(url)), kept(read)
		go t.run(o.every, func(ctx context.Context) error {
			return c.ask(ctx, url, question{method: "GET", path: "/metrics"})
		})
	}
	return nil
}

// byKubeconfig is a person's kubectl: the file is read, the server it names is dialled, each time.
func byKubeconfig(j *journal, o order) error {
	t, c := j.tally("balancer"), anew(kubeconfigIdentity(o.config))
	go t.run(o.every, func(ctx context.Context) error {
		return c.ask(ctx, "", probeMap(o.namespace))
	})
	return nil
}

// byAddress asks each API server by its own address, over a connection that is kept and over new ones.
func byAddress(j *journal, o order) error {
	for _, url := range o.urls {
		k, n := j.tally(host(url)+"/kept"), j.tally(host(url)+"/new")
		keeping, fresh := kept(kubeconfigIdentity(o.config)), anew(kubeconfigIdentity(o.config))
		go k.run(o.every, func(ctx context.Context) error { return keeping.ask(ctx, url, probeMap(o.namespace)) })
		go n.run(o.anew, func(ctx context.Context) error { return fresh.ask(ctx, url, probeMap(o.namespace)) })
	}
	return nil
}

// throughEach asks what an API server has to ask somebody else about; the way to it is the same all the time.
func throughEach(j *journal, o order, q question) error {
	for _, url := range o.urls {
		t, c := j.tally(host(url)), kept(kubeconfigIdentity(o.config))
		go t.run(o.every, func(ctx context.Context) error { return c.ask(ctx, url, q) })
	}
	return nil
}

// host is the address in a URL, without the scheme.
func host(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	address, _, _ := strings.Cut(rest, "/")
	return address
}
