package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
)

// alertDesk makes what tells people of alerts.
func (c *call) alertDesk(webhook *alert.Webhook, trail *audit.Log, log *slog.Logger) *alert.Desk {
	a := &c.config.Alerts
	return alert.New(alert.Options{
		Audit: trail, Log: log, Webhook: webhook, Fold: a.Fold, Window: a.Window,
		Many: map[alert.Kind]int{alert.Refusals: a.Refusals, alert.Failures: a.Failures, alert.Rejected: a.Rejected},
	})
}

// lastAlerts is how long the webhook may take for what waits when pgveil ends.
const lastAlerts = 3 * time.Second

func closeAlerts(desk *alert.Desk) error {
	ctx, cancel := context.WithTimeout(context.Background(), lastAlerts)
	defer cancel()
	return desk.Close(ctx)
}

// webhook makes the webhook of the settings; nil if there is none.
func (c *call) webhook(store *secrets, log *slog.Logger) (*alert.Webhook, error) {
	a := &c.config.Alerts
	token := &passwordPlace{c.config, "alerts.webhook_token", a.WebhookTokenFile, a.WebhookTokenEnv, a.WebhookTokenVault, c.lookupEnv, nil}
	given := a.WebhookTokenFile != "" || a.WebhookTokenEnv != "" || a.WebhookTokenVault != ""
	if a.Webhook == "" {
		if given || a.WebhookCA != "" {
			return nil, c.config.Missing("alerts.webhook")
		}
		return nil, nil
	}
	wrong := func(why string) (*alert.Webhook, error) { // the address is not quoted, for it may hold a secret
		return nil, c.config.Errorf("alerts.webhook", "alerts.webhook: %s", why)
	}
	u, err := url.Parse(strings.Replace(a.Webhook, alert.TokenPlace, "token", 1))
	switch {
	case err != nil, u.Host == "", u.Scheme != "https" && u.Scheme != "http":
		return wrong("the address is not https://host/path")
	case u.User != nil:
		return wrong("the address holds a user or password; a token belongs into alerts.webhook_token_vault, or a file or variable")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return wrong("alerts would cross the network in clear; the address has to begin with https://")
	case !given && strings.Contains(a.Webhook, alert.TokenPlace):
		return wrong("the address names {token}, and there is none: it belongs into alerts.webhook_token_vault, or a file or variable")
	}
	if a.WebhookTokenVault != "" {
		if token.store = vaultOf(store); token.store == nil {
			return nil, c.config.Errorf("alerts.webhook_token_vault", "alerts.webhook_token_vault needs keys in Vault (keys.vault.address)")
		}
	}
	if _, err := token.fetch(context.Background()); err != nil && a.WebhookTokenVault == "" {
		return nil, err
	}
	trusted, err := c.trusting("alerts.webhook_ca", a.WebhookCA)
	if err != nil {
		return nil, err
	}
	return alert.NewWebhook(alert.WebhookOptions{
		URL: a.Webhook, Token: token.fetch, Log: log,
		Client: &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: trusted, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		}},
	}), nil
}
