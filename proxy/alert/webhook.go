package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// message is an alert as the webhook gets it, in JSON.
type message struct {
	ID          string    `json:"id"` // the same in each attempt
	Time        time.Time `json:"time"`
	Kind        string    `json:"kind"`
	Text        string    `json:"text"`
	More        int       `json:"more,omitempty"` // alerts like it that were not told by themselves
	SessionUser string    `json:"session_user"`
	Role        string    `json:"role"`
	Client      string    `json:"client"`
	Certificate string    `json:"tls,omitempty"`
	Application string    `json:"application,omitempty"`
	EndUser     string    `json:"claimed_end_user,omitempty"`
	Database    string    `json:"database,omitempty"`
	Session     string    `json:"session,omitempty"`
	Host        string    `json:"host,omitempty"` // that pgveil runs on
}

// WebhookOptions is how alerts are sent. URL is required.
type WebhookOptions struct {
	URL string
	// Client sends requests; it follows no redirects.
	Client *http.Client
	// Token gives the token, anew for each attempt; nil, or "", for none. It stands in the place of
	// {token} in URL or, where there is none, in the request's Authorization as a bearer token.
	Token func(context.Context) (string, error)
	Log   *slog.Logger
	// Wait is how long the first wait after a failed attempt is, 1 s when 0; each is twice as
	// long as the one before, up to a minute. Keep is for how long a message is tried: 1 h
	// when 0.
	Wait, Keep time.Duration
}

// TokenPlace is what a token stands for in an address.
const TokenPlace = "{token}"

// maxWaiting bounds the messages that wait; beyond it the oldest goes.
const maxWaiting = 1024

// attemptTimeout bounds one request.
const attemptTimeout = 10 * time.Second

// mostWait is the longest wait between two attempts.
const mostWait = time.Minute

// Webhook sends alerts as HTTP requests, one after the other, each until it is taken. It never
// holds up whoever raises an alert.
type Webhook struct {
	options WebhookOptions
	ctx     context.Context
	cancel  context.CancelFunc
	wake    chan struct{}
	done    chan struct{}

	mu          sync.Mutex
	closing     bool
	waiting     []*message
	undelivered uint64
	failing     bool
}

// NewWebhook begins to send to a webhook.
func NewWebhook(o WebhookOptions) *Webhook {
	if o.Wait == 0 {
		o.Wait = time.Second
	}
	if o.Keep == 0 {
		o.Keep = time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	client := http.Client{}
	if o.Client != nil {
		client = *o.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	o.Client = &client
	w := &Webhook{options: o, wake: make(chan struct{}, 1), done: make(chan struct{})}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	go w.run()
	return w
}

func (w *Webhook) push(m *message) {
	w.mu.Lock()
	if w.closing {
		w.undelivered++
		w.mu.Unlock()
		return
	}
	dropped := len(w.waiting) == maxWaiting
	if dropped {
		w.waiting = w.waiting[1:]
		w.undelivered++
	}
	w.waiting = append(w.waiting, m)
	w.mu.Unlock()
	if dropped {
		w.options.Log.Error("the oldest alert that waits for the webhook is given up; the audit log has it", "waiting", maxWaiting)
	}
	w.notify()
}

func (w *Webhook) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Webhook) stats() (waiting int, undelivered uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting), w.undelivered
}

// run sends what waits until the webhook is closed and nothing does, or ctx ends.
func (w *Webhook) run() {
	defer close(w.done)
	wait := w.options.Wait
	for {
		w.mu.Lock()
		var next *message
		if len(w.waiting) > 0 {
			next = w.waiting[0]
		}
		closing := w.closing
		w.mu.Unlock()
		if next == nil {
			if closing {
				return
			}
			select {
			case <-w.wake:
			case <-w.ctx.Done():
				return
			}
			continue
		}
		err := w.send(next)
		var final *finalError
		switch {
		case err == nil:
			wait = w.options.Wait
			w.take(next, nil)
		case errors.As(err, &final) || time.Since(next.Time) > w.options.Keep:
			w.take(next, err)
		default:
			w.told(err)
			select {
			case <-time.After(wait):
				wait = min(2*wait, mostWait)
			case <-w.wake: // a newer alert, or the end
			case <-w.ctx.Done():
				return
			}
		}
	}
}

// take takes a message from those that wait: it was sent, or given up because of err.
func (w *Webhook) take(m *message, err error) {
	w.mu.Lock()
	if len(w.waiting) > 0 && w.waiting[0] == m { // else it was dropped meanwhile, and is counted
		w.waiting = w.waiting[1:]
		if err != nil {
			w.undelivered++
		}
	}
	w.mu.Unlock()
	if err != nil {
		w.options.Log.Error("an alert is given up; the audit log has it", "alert", m.Kind, "id", m.ID, "error", err)
		return
	}
	w.told(nil)
}

// told tells the operator when sending begins to fail and when that is over.
func (w *Webhook) told(err error) {
	w.mu.Lock()
	was := w.failing
	w.failing = err != nil
	w.mu.Unlock()
	switch {
	case err != nil && !was:
		w.options.Log.Error("alerts cannot be sent to the webhook; they wait", "error", err)
	case err == nil && was:
		w.options.Log.Info("alerts are sent to the webhook again")
	}
}

// finalError is an answer that another attempt would get again.
type finalError struct{ status int }

func (e *finalError) Error() string {
	return fmt.Sprintf("the webhook answers with status %d", e.status)
}

func (w *Webhook) send(m *message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.ctx, attemptTimeout)
	defer cancel()
	token := ""
	if w.options.Token != nil {
		if token, err = w.options.Token(ctx); err != nil {
			return fmt.Errorf("the webhook's token cannot be read: %w", err)
		}
	}
	address := strings.Replace(w.options.URL, TokenPlace, token, 1)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address cannot be used") // the error would quote it, and it may hold a secret
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "pgveil")
	if token != "" && address == w.options.URL {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := w.options.Client.Do(request)
	if err != nil {
		return bare(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection serves again
	switch status := response.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500,
		status == http.StatusUnauthorized, status == http.StatusForbidden: // a token that was just replaced
		return fmt.Errorf("the webhook answers with status %d", status)
	default:
		return &finalError{status}
	}
}

// bare takes the address out of an error of the client: many webhooks' addresses hold a secret.
func bare(err error) error {
	type wrapper interface{ Unwrap() error }
	if outer, ok := err.(wrapper); ok {
		return outer.Unwrap()
	}
	return err
}

// close waits until everything is sent, or ctx ends.
func (w *Webhook) close(ctx context.Context) error {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.notify()
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	w.cancel()
	<-w.done
	w.options.Client.CloseIdleConnections()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.undelivered += uint64(len(w.waiting))
	if n := len(w.waiting); n > 0 {
		w.waiting = nil
		return fmt.Errorf("%d alerts were not sent to the webhook; the audit log has them", n)
	}
	return nil
}
