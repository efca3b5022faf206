package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// protected reports whether requests need a token.
func (o *Options) protected() bool { return len(o.Tokens) > 0 || o.RequireToken }

// authenticated lets requests with one of the tokens through. Where no token is
// asked for, it lets those through that name this machine: a page on the web
// whose name was pointed here must not read the inventory.
func (s *Server) authenticated(next http.Handler) http.Handler {
	if !s.o.protected() {
		if s.loopback() {
			return localOnly(next)
		}
		return next
	}
	known := make([][sha256.Size]byte, 0, len(s.o.Tokens)+1)
	for _, t := range s.o.Tokens {
		known = append(known, sha256.Sum256([]byte(t)))
	}
	if s.o.LocalToken != "" {
		known = append(known, sha256.Sum256([]byte(s.o.LocalToken)))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum, ok := sha256.Sum256([]byte(token)), 0
		for i := range known {
			ok |= subtle.ConstantTimeCompare(known[i][:], sum[:])
		}
		if !strings.EqualFold(scheme, "Bearer") || ok == 0 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="invigil"`)
			writeError(w, &apiError{http.StatusUnauthorized, "a bearer token is needed", ""})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopback reports whether only this machine reaches the listener.
func (s *Server) loopback() bool {
	a, ok := s.listener.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// localOnly refuses requests for other hosts than this one.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !ip.IsLoopback()) {
			writeError(w, &apiError{http.StatusMisdirectedRequest, "the request names another host than this one", "use 127.0.0.1 or localhost, or configure a token"})
			return
		}
		next.ServeHTTP(w, r)
	})
}
