package config

import (
	"time"

	"invigil/config/source"
)

// Kafka is a Kafka source: topics read by a consumer group.
type Kafka struct {
	Brokers          []string      `yaml:"brokers"`
	Topics           []string      `yaml:"topics"`
	Group            string        `yaml:"group"`
	Start            string        `yaml:"start"`        // earliest, latest: where no state exists
	OnLost           string        `yaml:"on_lost"`      // continue, stop: retention passed our offset
	OnTruncated      string        `yaml:"on_truncated"` // stop, restart: the topic was recreated
	Isolation        string        `yaml:"isolation"`    // read_committed, read_uncommitted
	SessionTimeout   time.Duration `yaml:"session_timeout"`
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	Fetch            Fetch         `yaml:"fetch"`
	TLS              *TLS          `yaml:"tls"`
	SASL             *SASL         `yaml:"sasl"`
	LeaveOnStop      bool          `yaml:"leave_on_stop"`
	OnSplitAgent     string        `yaml:"on_split_agent"` // warn, stop
	DeadLetters      DeadLetters   `yaml:"dead_letters"`
}

// Fetch bounds one request for records of one partition.
type Fetch struct {
	MaxBytes Size          `yaml:"max_bytes"`
	MaxWait  time.Duration `yaml:"max_wait"`
}

// TLS names the files of a TLS connection; an empty one trusts the system's
// authorities.
type TLS struct {
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// SASL is how to log in at the brokers.
type SASL struct {
	Mechanism    string `yaml:"mechanism"`
	Username     string `yaml:"username"`
	Password     string `yaml:"password" secret:"true"`
	PasswordFile string `yaml:"password_file"`
}

// DeadLetters says where to what cannot be processed goes.
type DeadLetters struct {
	Topic string `yaml:"topic"` // "" = kept in the store
}

// DecodeYAML fills in the defaults when the key appears for the first time.
func (k *Kafka) DecodeYAML(n *source.Node) {
	if k.Start == "" {
		*k = Kafka{
			Group: "invigil", Start: "earliest", OnLost: "continue", OnTruncated: "stop", Isolation: "read_committed",
			SessionTimeout: 45 * time.Second, RebalanceTimeout: 60 * time.Second,
			Fetch:       Fetch{MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond},
			LeaveOnStop: true, OnSplitAgent: "warn",
		}
	}
	type plain Kafka
	n.Decode((*plain)(k))
}

// DecodeYAML fills in the defaults when the key appears for the first time.
func (h *HTTP) DecodeYAML(n *source.Node) {
	if h.Listen == "" {
		*h = HTTP{Listen: "127.0.0.1:8480", TokenLife: 15 * time.Minute}
	}
	type plain HTTP
	n.Decode((*plain)(h))
}

// Changelog is the key state.changelog: on, off, or a mapping, which is on. Not
// given, it is on with a Kafka source.
type Changelog struct {
	Auto        bool // not given; resolved by Parse
	On          bool
	Topic       string
	Replication int
	Standby     int
	History     bool
}

// DecodeYAML reads either form.
func (c *Changelog) DecodeYAML(n *source.Node) {
	if n.IsMapping() {
		var m struct {
			Topic       string `yaml:"topic"`
			Replication int    `yaml:"replication"`
			Standby     int    `yaml:"standby"`
			History     bool   `yaml:"history"`
		}
		n.Decode(&m)
		*c = Changelog{On: true, Topic: m.Topic, Replication: m.Replication, Standby: m.Standby, History: m.History}
		return
	}
	switch s, ok := n.Text(); {
	case !ok:
	case s == "on" || s == "true":
		*c = Changelog{On: true}
	case s == "off" || s == "false":
		*c = Changelog{}
	default:
		n.Errorf("%q is not known here, use on, off or a mapping of topic, replication, standby, history", s)
	}
}
