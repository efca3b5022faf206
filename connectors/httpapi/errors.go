package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"invigil/pipeline"
	"invigil/pipeline/query"
)

// apiError is an answer that says what was wrong.
type apiError struct {
	status  int
	message string
	hint    string // what to do, may be ""
}

// Error implements error.
func (e *apiError) Error() string { return e.message }

// asAPIError tells what an error means for the client. Failures of the store
// are for the log, not for the client.
func asAPIError(err error, log *slog.Logger) *apiError {
	var (
		e       *apiError
		mistake *query.Error
		unknown *query.UnknownAgentError
		tooBig  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &mistake):
		return &apiError{http.StatusBadRequest, mistake.Part + ": " + mistake.Err.Error(), mistake.Hint}
	case errors.As(err, &unknown):
		return &apiError{http.StatusNotFound, unknown.Error(), "/v1/agents lists them"}
	case errors.Is(err, pipeline.ErrUnknownAgent):
		return &apiError{http.StatusNotFound, err.Error(), "/v1/agents lists them"}
	case errors.As(err, &tooBig):
		return &apiError{http.StatusRequestEntityTooLarge, "the request is too large", ""}
	case errors.Is(err, context.DeadlineExceeded):
		return &apiError{http.StatusServiceUnavailable, "the answer took too long", "ask for less: an agent, a condition, a page"}
	case errors.Is(err, context.Canceled):
		return &apiError{http.StatusServiceUnavailable, "the service is stopping", ""}
	}
	log.Error("a request failed", "error", err)
	return &apiError{http.StatusInternalServerError, "the store could not be read", "the service's log says why"}
}

// body renders the error.
func (e *apiError) body() []byte {
	b, err := json.Marshal(struct {
		Error string `json:"error"`
		Hint  string `json:"hint,omitempty"`
	}{e.message, e.hint})
	if err != nil { // strings always marshal
		return []byte(`{"error":""}`)
	}
	return b
}

// writeError answers with an error. A client that is gone is no failure.
func writeError(w http.ResponseWriter, e *apiError) {
	head(w)
	if e.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(append(e.body(), '\n'))
}

// head sets what every answer under /v1 says.
func head(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}
