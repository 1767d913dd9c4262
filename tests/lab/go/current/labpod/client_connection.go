package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// identity is who a client is and whom it trusts, as read at one moment.
type identity struct {
	server       string
	roots        *x509.CertPool
	token        string
	certificates []tls.Certificate
	// trusting looks at no server's certificate.
	trusting bool
	// raw tells whether anything of it changed.
	raw string
}

// source reads an identity from where it is kept.
type source func() (identity, error)

// once reads now, and gives the same for ever.
func once(read source) (source, error) {
	i, err := read()
	return func() (identity, error) { return i, nil }, err
}

// file reads it each time, and understands it again only when it is another one.
func file(path string, understand func(text string) (identity, error)) source {
	var lock sync.Mutex
	var last identity
	return func() (identity, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return identity{}, err
		}
		lock.Lock()
		defer lock.Unlock()
		if last.roots == nil || last.raw != string(text) {
			i, err := understand(string(text))
			if err != nil {
				return identity{}, err
			}
			last, last.raw = i, string(text)
		}
		return last, nil
	}
}

const podFolder = "/var/run/secrets/kubernetes.io/serviceaccount/"

var podAuthority = file(podFolder+"ca.crt", func(text string) (identity, error) {
	roots, err := pool([]byte(text))
	return identity{roots: roots}, err
})

// podIdentity is what the kubelet put into the pod. A token comes with each request; only another CA asks for another
// connection.
func podIdentity() (identity, error) {
	i, err := podAuthority()
	if err != nil {
		return identity{}, err
	}
	token, err := os.ReadFile(podFolder + "token")
	i.token = strings.TrimSpace(string(token))
	return i, err
}

// kubeconfigIdentity reads a kubeconfig as kubeadm writes it: one cluster, one user, everything inside.
func kubeconfigIdentity(path string) source {
	return file(path, func(text string) (i identity, err error) {
		found := map[string]string{}
		for _, line := range strings.Split(text, "\n") {
			name, value, _ := strings.Cut(strings.Trim(line, " -\r"), ":")
			if _, known := found[name]; !known {
				found[name] = strings.Trim(value, ` "'`)
			}
		}
		part := func(name string) []byte {
			data, wrong := base64.StdEncoding.DecodeString(found[name])
			if err == nil && (wrong != nil || len(data) == 0) {
				err = fmt.Errorf("the kubeconfig has no readable %s", name)
			}
			return data
		}
		authority, certificate, key := part("certificate-authority-data"), part("client-certificate-data"), part("client-key-data")
		if err != nil {
			return i, err
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return i, err
		}
		i.server, i.certificates = found["server"], []tls.Certificate{pair}
		i.roots, err = pool(authority)
		return i, err
	})
}

func pool(pem []byte) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no CA certificate to trust")
	}
	return roots, nil
}

// question is what a client asks.
type question struct {
	method, path string
	// Of the body.
	kind, body string
}

// caller asks questions; without a server, the one that its identity names.
type caller interface {
	ask(ctx context.Context, server string, q question) error
	// askAny goes on to the next server where one does not answer.
	askAny(ctx context.Context, servers []string, q question) error
	open(ctx context.Context, server string, q question) (io.ReadCloser, error)
}

// anew makes a new connection for each request, with an identity read at that moment.
func anew(read source) caller { return connection{read, &keeper{}, false} }

// kept keeps its connection, but for when the identity that it reads for each request is another one: what a server
// knows of a client's certificate is from the beginning of the connection.
func kept(read source) caller { return connection{read, &keeper{}, true} }

type connection struct {
	read source
	*keeper
	keeps bool
}

type keeper struct {
	sync.Mutex
	raw       string
	transport *http.Transport
}

func (c connection) ask(ctx context.Context, server string, q question) error {
	body, err := c.open(ctx, server, q)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}

// open gives the body of an answer that is a success.
func (c connection) open(ctx context.Context, server string, q question) (io.ReadCloser, error) {
	i, err := c.read()
	if err != nil {
		return nil, err
	}
	if server == "" {
		server = i.server
	}
	request, err := http.NewRequestWithContext(ctx, q.method, server+q.path, bytes.NewBufferString(q.body))
	if err != nil {
		return nil, err
	}
	if q.kind != "" {
		request.Header.Set("Content-Type", q.kind)
	}
	if i.token != "" {
		request.Header.Set("Authorization", "Bearer "+i.token)
	}
	answer, err := c.transported(i).RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		defer answer.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
		return nil, refusal{answer.StatusCode, answer.Status + " " + message(said)}
	}
	return answer.Body, nil
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

// message is what an API server says in words; never more than that of what it sent.
func message(status []byte) string {
	var said struct{ Message string }
	_ = json.Unmarshal(status, &said)
	return said.Message
}

func (c connection) transported(i identity) *http.Transport {
	if !c.keeps {
		return transport(i, false)
	}
	c.Lock()
	defer c.Unlock()
	if c.transport == nil || c.raw != i.raw {
		if c.transport != nil {
			// What is being answered is answered.
			c.transport.CloseIdleConnections()
		}
		c.transport, c.raw = transport(i, true), i.raw
	}
	return c.transport
}

// transport is one as client-go makes it: HTTP/2, with a ping where nothing was heard for half a minute.
func transport(i identity, keeps bool) *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs: i.roots, Certificates: i.certificates, InsecureSkipVerify: i.trusting,
			// The cheapest: what is agreed on is not what is counted.
			CurvePreferences: []tls.CurveID{tls.X25519},
		},
		DialContext:           (&net.Dialer{Timeout: patience, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   patience,
		ResponseHeaderTimeout: patience,
		IdleConnTimeout:       90 * time.Second,
		DisableKeepAlives:     !keeps,
		DisableCompression:    true,
		ForceAttemptHTTP2:     keeps,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}
