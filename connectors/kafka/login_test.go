package kafka_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"invigil/connectors"
	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

func TestLoginOverTLS(t *testing.T) {
	cert, ca := certificate(t)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			b := start(t, broker.Options{
				Topics: map[string]int{"a": 1},
				TLS:    &tls.Config{Certificates: []tls.Certificate{cert}},
				Login:  &broker.Login{Mechanism: mechanism, Username: "invigil", Password: "s3cret"},
			})
			o := source(b, "a")
			var err error
			if o.TLS, err = (kafka.TLSFiles{CAFile: ca}).Config(); err != nil {
				t.Fatal(err)
			}
			o.SASL = &kafka.SASL{Mechanism: mechanism, Username: "invigil", Password: "s3cret"}
			sink, err := kafka.NewSink(kafka.SinkOptions{Connection: o.Connection, Topic: "a"})
			if err != nil {
				t.Fatal(err)
			}
			defer sink.Close()
			if err := sink.Deliver(t.Context(), []connectors.Item{{ID: "1", Key: []byte("k"), Value: []byte("v")}}); err != nil {
				t.Fatal(err)
			}
			c := newCollector()
			c.commits = true
			defer run(t, o, c)()
			c.wait(t, "the record", func() bool { return c.count() == 1 })

			// This is how Kafka refuses a login; the broker here hangs up instead.
			b.Cluster().ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.Cluster().KeepControl()
				res := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				res.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return res, nil, true
			})
			s, err := kafka.NewSource(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(t.Context(), c.serve); err == nil || !strings.Contains(err.Error(), "logging in") {
				t.Errorf("a wrong password gave %v", err)
			}
		})
	}
}

func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}
