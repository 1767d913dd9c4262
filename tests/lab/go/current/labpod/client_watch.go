package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// watches holds two watches on the namespace's config maps: one for as long as it lasts, one that the server ends
// every 20 s. An end that the server says in order, with a new watch at once, is no failure; a connection that breaks
// is one, and so is each attempt to open that fails. The gap is the longest silence: the map is written all the time.
func watches(j *journal, o order) error {
	for target, seconds := range map[string]int{"long": 3600, "short": 20} {
		q := question{
			method: "GET",
			path:   fmt.Sprintf("%s?watch=true&timeoutSeconds=%d", configMaps(o.namespace), seconds),
		}
		t, c := j.tally(target), kept(podIdentity)
		go func() {
			for {
				t.watch(c, q)
			}
		}()
	}
	return nil
}

// watch opens one and reads it to its end.
func (t *counts) watch(c caller, q question) {
	body, err := c.open(context.Background(), service(), q)
	t.done(err)
	if err != nil {
		time.Sleep(100 * time.Millisecond)
		return
	}
	defer body.Close()
	events := json.NewDecoder(body)
	for {
		var event struct{ Type string }
		switch err := events.Decode(&event); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			t.fail(fmt.Errorf("broken: %w", err))
			return
		case event.Type == "ERROR":
			t.fail(errors.New("broken: the server sent an error"))
			return
		}
		t.succeed()
	}
}
