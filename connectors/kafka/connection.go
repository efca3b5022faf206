package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Connection says how to reach and enter a Kafka cluster. The zero value of
// everything but Brokers is usable.
type Connection struct {
	Brokers     []string      // host:port of some brokers; the others are learned from them
	ClientID    string        // named in the brokers' logs and quotas; "" = invigil
	TLS         *tls.Config   // nil = plain text; TLSFiles makes one from PEM files
	SASL        *SASL         // nil = no authentication
	DialTimeout time.Duration // limit of one connection attempt, handshakes included; 0 = 5 s
	// MetadataTTL is how old the known layout of the cluster may be, and so
	// how long a moved leader may go unnoticed; 0 = 1 s.
	MetadataTTL time.Duration
}

// SASL is the login: Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
type SASL struct {
	Mechanism string
	Username  string
	Password  string
}

// TLSFiles names the PEM files of a TLS configuration. Empty names are left
// out: without CAFile the system's roots are trusted; CertFile and KeyFile, the
// client's certificate, go together.
type TLSFiles struct {
	CAFile     string
	CertFile   string
	KeyFile    string
	ServerName string // expected in the brokers' certificates; "" = the host dialled
}

// Config reads the files. Errors name the file and what is wrong with it.
func (f TLSFiles) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate authorities: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificate", f.CAFile)
		}
	}
	if (f.CertFile == "") != (f.KeyFile == "") {
		return nil, errors.New("a client certificate needs both cert_file and key_file")
	}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("loading the client certificate %s with key %s: %w", f.CertFile, f.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	switch strings.ToUpper(s.Mechanism) {
	case "PLAIN":
		return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, s.Username, s.Password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, s.Username, s.Password)
	}
	return nil, fmt.Errorf("unsupported SASL mechanism %q: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (OAUTHBEARER and GSSAPI are not spoken)", s.Mechanism)
}

// Validate reports what is wrong with the connection's settings; it does not connect.
func (c *Connection) Validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("no brokers: name at least one host:port")
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return fmt.Errorf("broker %q: want host:port, such as 127.0.0.1:9092", b)
		}
	}
	if c.SASL != nil {
		if _, err := c.SASL.mechanism(); err != nil {
			return err
		}
	}
	return nil
}

// client is one way into a cluster: a transport that routes requests to the
// right broker, and a dialer with the same security for the consumer group.
type client struct {
	addr      net.Addr
	transport *kafkago.Transport
	dialer    *kafkago.Dialer
	api       *kafkago.Client
	id        string
}

// open prepares a client that watches the given topics only; nothing is dialled yet.
func (c *Connection) open(topics ...string) (*client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	id := c.ClientID
	if id == "" {
		id = "invigil"
	}
	timeout := c.DialTimeout
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	ttl := c.MetadataTTL
	if ttl <= 0 {
		ttl = time.Second
	}
	var mechanism sasl.Mechanism
	if c.SASL != nil {
		mechanism, _ = c.SASL.mechanism() // checked by Validate
	}
	dial := (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext
	k := &client{
		addr: kafkago.TCP(c.Brokers...),
		id:   id,
		transport: &kafkago.Transport{
			Dial: dial, DialTimeout: timeout, MetadataTTL: ttl, MetadataTopics: topics,
			ClientID: id, TLS: c.TLS, SASL: mechanism,
		},
		dialer: &kafkago.Dialer{DialFunc: dial, Timeout: timeout, ClientID: id, TLS: c.TLS, SASLMechanism: mechanism},
	}
	k.api = &kafkago.Client{Addr: k.addr, Transport: k.transport, Timeout: 10 * time.Second}
	return k, nil
}

func (k *client) close() { k.transport.CloseIdleConnections() }

// offsetAt returns the offset of the first record at or after a time (unix
// milliseconds, or kafkago.FirstOffset, kafkago.LastOffset); -1 = none.
func (k *client) offsetAt(ctx context.Context, topic string, partition int32, at int64, committed bool) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	isolation := int8(0)
	if committed {
		isolation = 1
	}
	m, err := k.transport.RoundTrip(ctx, k.addr, &listoffsets.Request{
		ReplicaID: -1, IsolationLevel: isolation,
		Topics: []listoffsets.RequestTopic{{Topic: topic, Partitions: []listoffsets.RequestPartition{{
			Partition: partition, CurrentLeaderEpoch: -1, Timestamp: at,
		}}}},
	})
	if err != nil {
		return 0, err
	}
	for _, t := range m.(*listoffsets.Response).Topics {
		for _, p := range t.Partitions {
			if t.Topic == topic && p.Partition == partition {
				if p.ErrorCode != 0 {
					return 0, kafkago.Error(p.ErrorCode)
				}
				return p.Offset, nil
			}
		}
	}
	return 0, protocol.NewErrNoPartition(topic, partition)
}

// code returns Kafka's error code for an error, -1 for one that is not Kafka's
// (a broken connection, a time-out).
func code(err error) int {
	var k kafkago.Error
	switch {
	case errors.As(err, &k):
		return int(k)
	case errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition):
		return int(kafkago.UnknownTopicOrPartition)
	case errors.Is(err, protocol.ErrNoLeader):
		return int(kafkago.LeaderNotAvailable)
	}
	return -1
}
