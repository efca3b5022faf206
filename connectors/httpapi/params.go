package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"invigil/config/source"
)

// The limits of a page.
const (
	defaultLimit = 500
	maxLimit     = 10_000
	maxOffset    = 1_000_000
)

// params are the query parameters of a request, each known to its route and
// given once.
type params struct{ values url.Values }

func badRequest(hint, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...), hint}
}

// readParams checks the names.
func readParams(raw string, known []string) (params, error) {
	if len(raw) > maxQuery {
		return params{}, &apiError{http.StatusRequestURITooLong, fmt.Sprintf("the query is longer than %d bytes", maxQuery), ""}
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return params{}, badRequest("escape it: curl -G --data-urlencode", "the query cannot be read: %v", err)
	}
	for name, all := range values {
		if !slices.Contains(known, name) {
			hint := source.DidYouMean(name, known)
			if hint == "" && len(known) > 0 {
				hint = "it takes " + strings.Join(known, ", ")
			}
			return params{}, badRequest(hint, "unknown parameter %q", name)
		}
		if len(all) > 1 {
			return params{}, badRequest("", "parameter %q stands %d times", name, len(all))
		}
	}
	return params{values}, nil
}

func (p params) has(name string) bool    { return p.values.Has(name) }
func (p params) text(name string) string { return p.values.Get(name) }

// words splits at commas; an empty value is none.
func (p params) words(name string) []string {
	if p.text(name) == "" {
		return nil
	}
	return strings.Split(p.text(name), ",")
}

// number reads a whole number from 0 to most.
func (p params) number(name string, otherwise, most int) (int, error) {
	if !p.has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(p.text(name))
	if err != nil || n < 0 || n > most {
		return 0, badRequest("", "%s=%s: write a whole number from 0 to %d", name, p.text(name), most)
	}
	return n, nil
}

// flag reads true or false.
func (p params) flag(name string) (bool, error) {
	switch p.text(name) {
	case "":
		if !p.has(name) {
			return false, nil
		}
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badRequest("", "%s=%s: write true or false", name, p.text(name))
}

// time reads RFC 3339 as unix milliseconds.
func (p params) time(name string, otherwise int64) (int64, error) {
	if !p.has(name) {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339, p.text(name))
	if err != nil {
		return 0, badRequest("", "%s=%s: write a time as in 2024-06-14T16:00:00Z", name, p.text(name))
	}
	if t.UnixMilli() <= 0 {
		return 0, badRequest("", "%s=%s: the time is too early", name, p.text(name))
	}
	return t.UnixMilli(), nil
}

// page is the part of a list that is asked for.
type page struct{ offset, limit int }

func (p params) page() (g page, err error) {
	if g.offset, err = p.number("offset", 0, maxOffset); err != nil {
		return g, err
	}
	g.limit, err = p.number("limit", defaultLimit, maxLimit)
	return g, err
}

// holds reports whether the n-th value of a list is on the page.
func (g page) holds(n int) bool { return n >= g.offset && n-g.offset < g.limit }

// stamp renders unix milliseconds, "" for 0.
func stamp(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
