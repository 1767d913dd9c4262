package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a request may take before it has failed.
const patience = 5 * time.Second

// together is how many requests to one target are waited for at most: more would be a flood where a server is slow.
const together = 4

// journal writes a line for each tally every half second: to standard output, and to a file that outlives the pod.
// Counters begin at 0 in each process; whoever reads sums the last lines of all files.
type journal struct {
	kind string
	out  io.Writer
	all  []*counts
}

// counts is what is known of the requests to one target.
type counts struct {
	sync.Mutex
	target           string
	requests, failed int
	gap              time.Duration
	success          time.Time
	reason           string
	said             func(reason string)
}

func newJournal(kind, folder string) (*journal, error) {
	j := &journal{kind: kind, out: os.Stdout}
	if folder == "" {
		return j, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	// A container that is started again in its pod gets another file.
	path := filepath.Join(folder, fmt.Sprintf("%s-%s-%d.log", kind, name, time.Now().UnixMilli()))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	j.out = io.MultiWriter(os.Stdout, file)
	return j, nil
}

func (j *journal) tally(target string) *counts {
	t := &counts{target: target, success: time.Now()}
	t.said = func(reason string) {
		fmt.Fprintf(j.out, "%s kind=%s target=%s first=%s\n", now(), j.kind, target, reason)
	}
	j.all = append(j.all, t)
	return t
}

// keep writes lines until TERM, and then once more.
func (j *journal) keep() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	tick := time.NewTicker(500 * time.Millisecond)
	for {
		j.write()
		select {
		case <-stop:
			j.write()
			fmt.Fprintf(j.out, "%s kind=%s ended\n", now(), j.kind)
			return nil
		case <-tick.C:
		}
	}
}

// write gives all lines in one call, so that nobody reads half of them.
func (j *journal) write() {
	var text strings.Builder
	for _, t := range j.all {
		fmt.Fprintf(&text, "%s kind=%s target=%s %s\n", now(), j.kind, t.target, t.line())
	}
	_, _ = io.WriteString(j.out, text.String())
}

func now() string {
	return time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
}

// line ends with the last error, as that may hold anything but a line's end. The longest gap is the longest time
// between two successes, or since the last one.
func (t *counts) line() string {
	t.Lock()
	defer t.Unlock()
	gap := max(t.gap, time.Since(t.success))
	line := fmt.Sprintf("requests=%d failed=%d gap_ms=%d", t.requests, t.failed, gap.Milliseconds())
	if t.reason != "" {
		line += " error=" + t.reason
	}
	return line
}

// run begins a request every so often, unless so many are waited for already that a real client would wait too.
func (t *counts) run(every time.Duration, ask func(context.Context) error) {
	waiting := make(chan struct{}, together)
	for tick := time.NewTicker(every); ; <-tick.C {
		select {
		case waiting <- struct{}{}:
		default:
			continue
		}
		go func() {
			defer func() { <-waiting }()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			t.done(ask(ctx))
		}()
	}
}

// done counts a request that has ended.
func (t *counts) done(err error) {
	t.Lock()
	t.requests++
	t.Unlock()
	if err != nil {
		t.fail(err)
	} else {
		t.succeed()
	}
}

func (t *counts) succeed() {
	t.Lock()
	defer t.Unlock()
	at := time.Now()
	t.gap, t.success = max(t.gap, at.Sub(t.success)), at
}

// fail counts a failure; each reason is said when it is new.
func (t *counts) fail(err error) {
	reason := short(err)
	t.Lock()
	t.failed++
	changed := t.reason != reason
	t.reason = reason
	t.Unlock()
	if changed {
		t.said(reason)
	}
}

// short is an error in a few words: without addresses, which make each one another. No error holds a credential.
func short(err error) string {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	var network *net.OpError
	var refused *tls.CertificateVerificationError
	var late net.Error
	text := err.Error()
	switch {
	case errors.As(err, &late) && late.Timeout():
		text = fmt.Sprintf("no answer within %s", patience)
	case errors.As(err, &refused):
		text = refused.Err.Error()
	case errors.As(err, &network):
		text = network.Op + ": " + network.Err.Error()
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 120 {
		text = text[:120]
	}
	return text
}
