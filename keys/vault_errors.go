package keys

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/vault/api"
)

// Reasons that only a [VaultStore] has.
var (
	ErrRefused  = errors.New("Vault refuses the request")
	ErrProtocol = errors.New("Vault's answer is not what was expected")
	ErrNoSecret = errors.New("there is no such secret")
)

// vaultReason finds the reason of an error of the API's client, and what Vault
// said. The client's own text is not used: it spans lines.
func (c *VaultConfig) vaultReason(err error) (detail string, reason error) {
	var response *api.ResponseError
	var request *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "", context.Canceled
	case errors.As(err, &response):
		return responseReason(response)
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fmt.Sprintf("no answer in time; look after Vault and the network, or raise keys.vault.timeout (%v)", c.Timeout), ErrUnreachable
	case errors.Is(err, api.ErrSecretNotFound):
		return "", ErrMissing
	case errors.As(err, &request):
		return connectionDetail(request.Err), ErrUnreachable
	default:
		// Some errors of the API quote what they could not read.
		return "", ErrProtocol
	}
}

func responseReason(response *api.ResponseError) (detail string, reason error) {
	detail = said(response)
	switch code := response.StatusCode; {
	case response.RawError && strings.Contains(strings.Join(response.Errors, ""), "HTTP request to an HTTPS server"):
		return "it speaks TLS; the address must begin with https://", ErrUnreachable
	case code == http.StatusServiceUnavailable && strings.Contains(strings.ToLower(detail), "sealed"):
		return "unseal it with vault operator unseal", ErrVaultSealed
	case code == http.StatusForbidden:
		return detail, ErrPermission
	case code == http.StatusNotFound:
		return detail, ErrMissing
	case code == http.StatusTooManyRequests:
		return "it takes no more requests at this moment (429); see its quotas", ErrUnreachable
	case code >= 500, code == 472, code == 473:
		return fmt.Sprintf("it answers with status %d: %s", code, detail), ErrUnreachable
	default:
		return fmt.Sprintf("status %d: %s", code, detail), ErrRefused
	}
}

// said joins what Vault said into one line of bounded length.
func said(response *api.ResponseError) string {
	if response.RawError {
		return "something that is not Vault's JSON"
	}
	text := strings.Join(response.Errors, "; ")
	// Vault lists errors as "1 error occurred:\n\t* permission denied\n\n".
	if _, list, ok := strings.Cut(text, " occurred:"); ok {
		text = strings.ReplaceAll(list, "\n\t* ", "; ")
	}
	text = strings.Trim(strings.Join(strings.Fields(text), " "), "; ")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return text
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// connectionDetail says why there is no connection.
func connectionDetail(err error) string {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var hostname x509.HostnameError
	switch {
	case errors.As(err, &hostname):
		return "its certificate is for another name: " + hostname.Error() + "; check the server name"
	case errors.As(err, &verification):
		return "its certificate is not trusted: " + verification.Err.Error() + "; check the CA file"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it does not speak TLS; check whether the address is http://… or https://…"
	default:
		return err.Error() + "; see that Vault runs there and that the network lets pgveil through"
	}
}

// isForbidden reports whether Vault denied a request.
func isForbidden(err error) bool {
	var response *api.ResponseError
	return errors.As(err, &response) && response.StatusCode == http.StatusForbidden
}

// isInvalidToken reports whether Vault does not know the token of a request, so
// that no policy was asked.
func isInvalidToken(err error) bool {
	var response *api.ResponseError
	return errors.As(err, &response) && response.StatusCode == http.StatusForbidden &&
		strings.Contains(said(response), "invalid token")
}

// refusedWith returns what Vault said to a request that it refused with status
// 400, "" for any other error.
func refusedWith(err error) string {
	var response *api.ResponseError
	if errors.As(err, &response) && response.StatusCode == http.StatusBadRequest {
		return said(response)
	}
	return ""
}
