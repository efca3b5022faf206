// Package config is the configuration of `invigil run`: one YAML file read
// strictly, environment variables and flags laid over it, defaults under it,
// and checked as a whole. It is imported by the command only; all other
// packages take options of their own.
//
// A value comes from the first of: a flag (--set key=value), the environment
// (INVIGIL_ and the key's path in capitals, as INVIGIL_STATE_DIR for
// state.dir), the file, the default. ${VAR} and ${VAR:-default} in the file's
// values are expanded after parsing. All problems are reported together, each
// at its place.
package config

import "time"

// Config is the whole tree, as the file writes it. Paths are relative to the
// working directory.
type Config struct {
	Source       Source            `yaml:"source"`
	State        State             `yaml:"state"`
	Rules        Rules             `yaml:"rules"`
	Lists        []List            `yaml:"lists"`
	Alerts       Alerts            `yaml:"alerts"`
	Agents       map[string]string `yaml:"agents"`        // agent name → id, for envelopes without an id
	DefaultAgent string            `yaml:"default_agent"` // id of last resort
	Sinks        []Sink            `yaml:"sinks"`
	HTTP         *HTTP             `yaml:"http"` // nil = no listener
	Log          Log               `yaml:"log"`
	Cluster      Cluster           `yaml:"cluster"`
}

// Source is where events come from: one of the three.
type Source struct {
	Kafka *Kafka     `yaml:"kafka"`
	File  *FileInput `yaml:"file"`
	Stdin *Stdin     `yaml:"stdin"`
}

// FileInput reads lines of files, one event each.
type FileInput struct {
	Paths  []string `yaml:"paths"`
	Follow bool     `yaml:"follow"` // go on as the files grow; false = end at their end
}

// Stdin reads lines of the standard input.
type Stdin struct{}

// State is the store.
type State struct {
	Dir              string        `yaml:"dir"`
	History          time.Duration `yaml:"history"` // how long earlier values of rows are kept
	Changelog        Changelog     `yaml:"changelog"`
	CommitInterval   time.Duration `yaml:"commit_interval"`
	VolatileInterval time.Duration `yaml:"volatile_interval"` // 0 = volatile columns are never deferred
	Batch            Batch         `yaml:"batch"`
	Outbox           int           `yaml:"outbox"`       // entries a partition may hold before reading stops
	Cache            Size          `yaml:"cache"`        // block cache of the store
	ForgetAfter      time.Duration `yaml:"forget_after"` // silence in stream time, to the hour; 0 = never
}

// Batch says when a batch is closed: at whichever comes first.
type Batch struct {
	Events int           `yaml:"events"`
	Bytes  Size          `yaml:"bytes"`
	Linger time.Duration `yaml:"linger"`
}

// Rules says which rules are loaded.
type Rules struct {
	Paths  []string `yaml:"paths"`  // files and directories
	Compat string   `yaml:"compat"` // 4.x or 3.9
	Reload bool     `yaml:"reload"` // load anew when a file changes
}

// List is one list file.
type List struct {
	Name string `yaml:"name"`
	Path string `yaml:"path"`
	Kind string `yaml:"kind"` // cdb, cidr, prefix
	Fold bool   `yaml:"fold"` // ignore the case of ASCII letters
}

// Alerts is what alerts say of the manager, and what becomes one.
type Alerts struct {
	Manager    string `yaml:"manager"`  // default: the host's name
	Timezone   string `yaml:"timezone"` // of timestamps and of time conditions
	LogLevel   int    `yaml:"log_level"`
	EmailLevel int    `yaml:"email_level"`
}

// Sink is one receiver of alerts: one of the four kinds.
type Sink struct {
	Name    string      `yaml:"name"` // its cursor's name; default: kind and target
	File    *FileOutput `yaml:"file"`
	Kafka   *KafkaTopic `yaml:"kafka"`
	Webhook *Webhook    `yaml:"webhook"`
	Stdout  *Stdout     `yaml:"stdout"`
}

// FileOutput appends a line an alert.
type FileOutput struct {
	Path   string `yaml:"path"`
	Format string `yaml:"format"`
	Rotate string `yaml:"rotate"` // "" = never, daily
}

// KafkaTopic produces a record an alert. Brokers, TLS and SASL default to
// those of the source.
type KafkaTopic struct {
	Topic   string   `yaml:"topic"`
	Format  string   `yaml:"format"`
	Brokers []string `yaml:"brokers"`
	TLS     *TLS     `yaml:"tls"`
	SASL    *SASL    `yaml:"sasl"`
}

// Webhook posts alerts to a URL, which often is a secret itself.
type Webhook struct {
	URL       string        `yaml:"url" secret:"true"`
	URLFile   string        `yaml:"url_file"`
	Format    string        `yaml:"format"`
	Token     string        `yaml:"token" secret:"true"` // sent as a bearer token
	TokenFile string        `yaml:"token_file"`
	Timeout   time.Duration `yaml:"timeout"` // of one request; 0 = 10s
	TLS       *TLS          `yaml:"tls"`
}

// Stdout writes a line an alert to the standard output.
type Stdout struct {
	Format string `yaml:"format"`
}

// HTTP is the listener.
type HTTP struct {
	Listen    string        `yaml:"listen"`
	Insecure  bool          `yaml:"insecure"` // allow a non-loopback address without authentication
	WazuhAPI  bool          `yaml:"wazuh_api"`
	TLS       *TLS          `yaml:"tls"`
	Users     []User        `yaml:"users"`
	Tokens    []Token       `yaml:"tokens"`
	TokenLife time.Duration `yaml:"token_life"`
}

// User may log in with a password.
type User struct {
	Name             string `yaml:"name"`
	PasswordHash     string `yaml:"password_hash" secret:"true"` // bcrypt
	PasswordHashFile string `yaml:"password_hash_file"`
}

// Token is a static bearer token.
type Token struct {
	Name      string `yaml:"name"`
	Token     string `yaml:"token" secret:"true"`
	TokenFile string `yaml:"token_file"`
}

// Log is the program's own log, on the standard error output.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// Cluster is what other instances need to know.
type Cluster struct {
	Advertise string `yaml:"advertise"`
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		State: State{
			Changelog:        Changelog{Auto: true},
			Dir:              "./invigil-state",
			History:          30 * 24 * time.Hour,
			CommitInterval:   5 * time.Second,
			VolatileInterval: 30 * time.Second,
			Batch:            Batch{Events: 2000, Bytes: 1 << 20, Linger: 50 * time.Millisecond},
			Outbox:           100_000,
			Cache:            64 << 20,
		},
		Rules:  Rules{Compat: "4.x", Reload: true},
		Alerts: Alerts{Timezone: "Local", LogLevel: 1, EmailLevel: 7},
		Log:    Log{Level: "info", Format: "text"},
	}
}
