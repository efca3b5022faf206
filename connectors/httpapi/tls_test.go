package httpapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invigil/connectors/httpapi"
)

// certificate makes a certificate for this machine and returns its files.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key = write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
	pool = x509.NewCertPool()
	if data, err := os.ReadFile(cert); err != nil || !pool.AppendCertsFromPEM(data) {
		t.Fatal("no certificate", err)
	}
	return cert, key, pool
}

func TestTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	url := serve(t, httpapi.Options{CertFile: cert, KeyFile: key})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	res, err := client.Get(strings.Replace(url, "http:", "https:", 1) + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.TLS == nil {
		t.Errorf("%d, TLS %v", res.StatusCode, res.TLS)
	}
	if status, _ := get(t, "GET", url+"/livez", ""); status != http.StatusBadRequest {
		t.Errorf("without TLS: %d", status)
	}
}

func TestTLSFilesAreReadAtTheStart(t *testing.T) {
	_, key, _ := certificate(t)
	for _, cert := range []string{"missing.pem", key} {
		if s, err := httpapi.Listen(httpapi.Options{Listen: "127.0.0.1:0", CertFile: cert, KeyFile: key}); err == nil {
			s.Close()
			t.Errorf("%s is accepted as a certificate", cert)
		}
	}
}
