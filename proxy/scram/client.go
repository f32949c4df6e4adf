package scram

import (
	"crypto/x509"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// Client proves a password to the server.
type Client struct {
	Mechanism    string // the one chosen
	conversation *scram.ClientConversation
}

// NewClient chooses among the mechanisms that the server offers, over a connection with
// this certificate of the server, nil without TLS, as libpq does with
// channel_binding=prefer.
func NewClient(password string, offered []string, certificate *x509.Certificate) (*Client, error) {
	client, err := newClient(password)
	if err != nil {
		return nil, err
	}
	bound := binding(certificate)
	switch {
	case bound.IsSupported() && slices.Contains(offered, SHA256Plus):
		return &Client{SHA256Plus, client.NewConversationWithChannelBinding(bound)}, nil
	case !slices.Contains(offered, SHA256):
		return nil, errors.New("the server offers no SASL mechanism that pgveil knows")
	case bound.IsSupported():
		return &Client{SHA256, client.NewConversationAdvertisingChannelBinding()}, nil
	default:
		return &Client{SHA256, client.NewConversation()}, nil
	}
}

// First is the first message.
func (c *Client) First() (string, error) { return c.conversation.Step("") }

// errServer leaves out what the other side said.
var errServer = errors.New("the server's SCRAM message is not what it should be")

// Continue answers the server's first message.
func (c *Client) Continue(message string) (string, error) {
	_, factor, _ := strings.Cut(message, ",i=")
	iterations, err := strconv.Atoi(factor)
	if err != nil || iterations > maxIterations {
		return "", errServer
	}
	answer, err := c.conversation.Step(message)
	if err != nil {
		return "", errServer
	}
	return answer, nil
}

// Final checks that the server knows the verifier.
func (c *Client) Final(message string) error {
	if _, err := c.conversation.Step(message); err != nil || !c.Proved() {
		return errors.New("the server has not proved that it knows the password's verifier")
	}
	return nil
}

// Proved says whether Final has held. Without it, AuthenticationOk is not to be believed.
func (c *Client) Proved() bool { return c.conversation.Valid() }
