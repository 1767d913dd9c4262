package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// aggregatedGroup is the one group and version of the aggregated API server.
const (
	aggregatedName  = "answers.lab.local"
	aggregatedGroup = aggregatedName + "/v1"
)

// aggregated is an API server behind the cluster's: `aggregated ADDRESS FOLDER`, the folder with tls.crt and tls.key.
//
// Whoever asks must show a certificate of the front proxy's CA. Which CA that is, and which names, is heard from the
// cluster all the time, as servers made with Kubernetes' own library do it.
func aggregated(address, folder string) error {
	known := &frontProxy{}
	go known.follow()
	mux := http.NewServeMux()
	answer := func(path, kind string, fields map[string]any) {
		fields["kind"], fields["apiVersion"] = kind, "v1"
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := known.check(r); err != nil {
				http.Error(w, err.Error(), http.StatusUnauthorized)
				return
			}
			say(w, fields)
		})
	}
	version := map[string]any{"groupVersion": aggregatedGroup, "version": "v1"}
	group := map[string]any{"name": aggregatedName, "versions": []any{version}, "preferredVersion": version}
	answer("/apis", "APIGroupList", map[string]any{"groups": []any{group}})
	answer("/apis/"+aggregatedName, "APIGroup", group)
	answer("/apis/"+aggregatedGroup, "APIResourceList", map[string]any{
		"groupVersion": aggregatedGroup,
		"resources": []any{map[string]any{
			"name": "answers", "singularName": "answer", "kind": "Answer", "namespaced": false, "verbs": []string{"list"},
		}},
	})
	answer("/apis/"+aggregatedGroup+"/answers", "List", map[string]any{"items": []any{}})
	return serveTLS(mux, address, folder)
}

// webhook allows whatever it is asked about: `webhook ADDRESS FOLDER`.
func webhook(address, folder string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/validate", func(w http.ResponseWriter, r *http.Request) {
		var review struct{ Request struct{ UID string } }
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, "no AdmissionReview", http.StatusBadRequest)
			return
		}
		say(w, map[string]any{
			"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
			"response": map[string]any{"uid": review.Request.UID, "allowed": true},
		})
	})
	return serveTLS(mux, address, folder)
}

func say(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

// serveTLS reads its certificate again for each connection, and answers what it was asked before it ends.
func serveTLS(mux *http.ServeMux, address, folder string) error {
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	server := &http.Server{
		Addr: address, Handler: mux, ReadHeaderTimeout: patience,
		TLSConfig: &tls.Config{
			ClientAuth: tls.RequestClientCert,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
				return &pair, err
			},
		},
	}
	asked, ended := terminated(), make(chan struct{})
	go func() {
		defer close(ended)
		<-asked
		// Until everybody knows that it goes, it is asked still.
		time.Sleep(2 * time.Second)
		deadline, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Shutdown(deadline)
	}()
	if err := server.ListenAndServeTLS("", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
}

// frontProxy is what the cluster says of the proxy before its API servers.
type frontProxy struct{ now atomic.Pointer[frontProxyNow] }

type frontProxyNow struct {
	roots *x509.CertPool
	names []string
}

// follow holds a watch on the config map in which API servers say it, and opens it again when it ends.
func (f *frontProxy) follow() {
	const path = "/api/v1/namespaces/kube-system/configmaps?watch=true&fieldSelector=metadata.name%3Dextension-apiserver-authentication"
	for c := kept(podIdentity); ; time.Sleep(100 * time.Millisecond) {
		if err := f.hear(c, question{method: "GET", path: path}); err != nil {
			log.Println(short(err))
		}
	}
}

func (f *frontProxy) hear(c caller, q question) error {
	body, err := c.open(context.Background(), service(), q)
	if err != nil {
		return err
	}
	defer body.Close()
	for events := json.NewDecoder(body); ; {
		var event struct {
			Object struct{ Data map[string]string }
		}
		if err := events.Decode(&event); err != nil {
			return err
		}
		roots, err := pool([]byte(event.Object.Data["requestheader-client-ca-file"]))
		if err != nil {
			log.Println(short(err))
			continue
		}
		var names []string
		_ = json.Unmarshal([]byte(event.Object.Data["requestheader-allowed-names"]), &names)
		f.now.Store(&frontProxyNow{roots, names})
		log.Println("the front proxy's CA was read")
	}
}

// check says why a request does not come from the front proxy.
func (f *frontProxy) check(r *http.Request) error {
	now := f.now.Load()
	if now == nil {
		return errors.New("the front proxy's CA was not read yet")
	}
	if len(r.TLS.PeerCertificates) == 0 {
		return errors.New("no client certificate")
	}
	shown := r.TLS.PeerCertificates[0]
	if _, err := shown.Verify(x509.VerifyOptions{
		Roots: now.roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return err
	}
	if len(now.names) > 0 && !slices.Contains(now.names, shown.Subject.CommonName) {
		return fmt.Errorf("%q is no front proxy", shown.Subject.CommonName)
	}
	if r.Header.Get("X-Remote-User") == "" {
		return errors.New("no user is named")
	}
	return nil
}
