package config

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"time"

	"invigil/config/source"
)

// validator checks a decoded tree as a whole and fills in what depends on
// other keys.
type validator struct {
	*layers
	readFile func(string) ([]byte, error)
}

// errorf reports a problem of a key at the place that its value came from. A
// place that is in error already gets no second finding.
func (v *validator) errorf(path, hint, format string, args ...any) {
	v.report(source.Error, path, hint, fmt.Sprintf(format, args...), "")
}

// unsupported refuses a key that a later version will take.
func (v *validator) unsupported(path, hint string) {
	v.report(source.Error, path, hint, path+" is not supported yet", path)
}

func (v *validator) report(s source.Severity, path, hint, message, construct string) {
	d := source.Diagnostic{Severity: s, Message: message, Hint: hint, Construct: construct}
	for p := path; p != ""; p = parent(p) {
		if at, ok := v.from[p]; ok {
			d.Pos = at
			v.found = append(v.found, d)
			return
		}
	}
	d.Pos = source.Position{File: v.file.File().Name}
	if root := v.file.Root(); root != nil {
		d.Pos = root.Find(strings.Split(path, ".")...).Pos()
	}
	for _, other := range v.file.Diagnostics() {
		if other.Severity == source.Error && other.Pos == d.Pos && s == source.Error {
			return
		}
	}
	v.file.Report(d)
}

func parent(path string) string { return path[:max(0, strings.LastIndexByte(path, '.'))] }

func (v *validator) oneOf(path, value string, values ...string) {
	for _, w := range values {
		if w == value {
			return
		}
	}
	v.errorf(path, source.DidYouMean(value, values), "%q is not known here, use %s", value, strings.Join(values, ", "))
}

func (v *validator) atLeast(path string, value, least int64) {
	if value < least {
		v.errorf(path, "", "%d is too small, at least %d", value, least)
	}
}

func (v *validator) check(c *Config) {
	v.secrets(reflect.ValueOf(c).Elem(), "")
	v.source(&c.Source)
	v.state(&c.State)
	if c.State.Changelog.On && c.Source.Kafka == nil {
		v.errorf("state.changelog", "use changelog: off", "a changelog needs a Kafka source")
	}
	v.rules(c)
	v.alerts(&c.Alerts)
	v.sinks(c)
	if c.HTTP != nil {
		v.http(c.HTTP)
	}
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	if c.Cluster.Advertise != "" {
		v.unsupported("cluster.advertise", "run one instance a group")
	}
}

// secrets reads the file variants: a field marked secret whose neighbour of
// the same name and _file is set.
func (v *validator) secrets(at reflect.Value, path string) {
	switch at.Kind() {
	case reflect.Pointer:
		if !at.IsNil() {
			v.secrets(at.Elem(), path)
		}
	case reflect.Slice:
		for i := range at.Len() {
			v.secrets(at.Index(i), fmt.Sprintf("%s.%d", path, i))
		}
	case reflect.Struct:
		for i := range at.NumField() {
			f := at.Type().Field(i)
			name := strings.TrimPrefix(path+"."+f.Tag.Get("yaml"), ".")
			if f.Tag.Get("secret") == "" {
				v.secrets(at.Field(i), name)
				continue
			}
			file := at.FieldByName(f.Name + "File").String()
			switch {
			case file == "":
			case at.Field(i).String() != "":
				v.errorf(name+"_file", "leave one of them out", "%s and %s_file are both given", f.Tag.Get("yaml"), f.Tag.Get("yaml"))
			default:
				data, err := v.readFile(file)
				if err != nil {
					v.errorf(name+"_file", "", "%v", err)
				}
				at.Field(i).SetString(string(bytes.TrimRight(data, "\r\n")))
			}
		}
	}
}

func (v *validator) source(s *Source) {
	given := 0
	for _, is := range []bool{s.Kafka != nil, s.File != nil, s.Stdin != nil} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		v.errorf("source", "write source: {kafka: {…}}, {file: {…}} or {stdin: {}}", "no source is given")
	case given > 1:
		v.errorf("source", "leave one of kafka, file and stdin", "%d sources are given", given)
	}
	if s.File != nil && len(s.File.Paths) == 0 {
		v.errorf("source.file.paths", "", "source.file needs paths")
	}
	if k := s.Kafka; k != nil {
		v.kafka(k)
	}
}

func (v *validator) kafka(k *Kafka) {
	k.Brokers = v.brokers("source.kafka.brokers", k.Brokers)
	if len(k.Brokers) == 0 {
		v.errorf("source.kafka.brokers", "write brokers: [host:9092]", "source.kafka needs brokers")
	}
	if len(k.Topics) == 0 {
		v.errorf("source.kafka.topics", "write topics: [syscollector]", "source.kafka needs topics")
	}
	if k.Group == "" {
		v.errorf("source.kafka.group", "", "the group's name is empty")
	}
	v.oneOf("source.kafka.start", k.Start, "earliest", "latest")
	v.oneOf("source.kafka.on_lost", k.OnLost, "continue", "stop")
	v.oneOf("source.kafka.on_truncated", k.OnTruncated, "stop", "restart")
	v.oneOf("source.kafka.isolation", k.Isolation, "read_committed", "read_uncommitted")
	v.oneOf("source.kafka.on_split_agent", k.OnSplitAgent, "warn", "stop")
	v.atLeast("source.kafka.fetch.max_bytes", int64(k.Fetch.MaxBytes), 1)
	if k.SessionTimeout < time.Second {
		v.errorf("source.kafka.session_timeout", "", "session_timeout must be 1s at least")
	}
	v.connection("source.kafka", k.TLS, k.SASL)
	if k.OnSplitAgent == "stop" {
		v.unsupported("source.kafka.on_split_agent", "use warn")
	}
}

// brokers splits commas, as a variable that holds several brokers has them,
// and checks each address.
func (v *validator) brokers(path string, list []string) []string {
	var out []string
	for _, b := range strings.FieldsFunc(strings.Join(list, ","), func(r rune) bool { return r == ',' || r == ' ' }) {
		if _, _, err := net.SplitHostPort(b); err != nil {
			v.errorf(path, "write "+b+":9092", "%q is no broker's address: a port is missing", b)
		}
		out = append(out, b)
	}
	return out
}

func (v *validator) connection(path string, t *TLS, s *SASL) {
	if t != nil && (t.CertFile == "") != (t.KeyFile == "") {
		v.errorf(path+".tls", "", "cert_file and key_file go together")
	}
	if s != nil {
		v.oneOf(path+".sasl.mechanism", s.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
		if s.Username == "" || s.Password == "" {
			v.errorf(path+".sasl", "", "sasl needs username and password or password_file")
		}
	}
}

func (v *validator) state(s *State) {
	if s.Dir == "" {
		v.errorf("state.dir", "", "the state's directory is empty")
	}
	if s.Changelog.Standby != 0 {
		v.unsupported("state.changelog.standby", "leave it out")
	}
	if s.Changelog.History {
		v.unsupported("state.changelog.history", "leave it out")
	}
	if s.CommitInterval <= 0 {
		v.errorf("state.commit_interval", "", "commit_interval must be longer than 0")
	}
	v.atLeast("state.batch.events", int64(s.Batch.Events), 1)
	v.atLeast("state.batch.bytes", int64(s.Batch.Bytes), 1)
	v.atLeast("state.outbox", int64(s.Outbox), 1)
	v.atLeast("state.cache", int64(s.Cache), 1)
}

func (v *validator) rules(c *Config) {
	if len(c.Rules.Paths) == 0 {
		v.errorf("rules.paths", "write rules: {paths: [rules/]}", "no rules are given")
	}
	v.oneOf("rules.compat", c.Rules.Compat, "4.x", "3.9")
	seen := map[string]bool{}
	for i := range c.Lists {
		l, path := &c.Lists[i], fmt.Sprintf("lists.%d", i)
		if l.Kind == "" {
			l.Kind = "cdb"
		}
		v.oneOf(path+".kind", l.Kind, "cdb", "cidr", "prefix")
		if l.Name == "" || l.Path == "" {
			v.errorf(path, "", "a list needs name and path")
		} else if seen[l.Name] {
			v.errorf(path+".name", "", "the list %s is given twice", l.Name)
		}
		seen[l.Name] = true
	}
}

func (v *validator) alerts(a *Alerts) {
	if a.Manager == "" {
		a.Manager, _ = os.Hostname()
	}
	if _, err := time.LoadLocation(a.Timezone); err != nil || a.Timezone == "" {
		v.errorf("alerts.timezone", "write Local, UTC or a name as Europe/Berlin", "%q is no time zone", a.Timezone)
	}
	v.level("alerts.log_level", a.LogLevel)
	v.level("alerts.email_level", a.EmailLevel)
}

func (v *validator) level(path string, level int) {
	if level < 0 || level > 16 {
		v.errorf(path, "", "%d is no level, from 0 to 16", level)
	}
}

func (v *validator) http(h *HTTP) {
	host, _, err := net.SplitHostPort(h.Listen)
	if err != nil {
		v.errorf("http.listen", "write 127.0.0.1:8480", "%q is no address", h.Listen)
		return
	}
	ip, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && ip.IsLoopback()
	if !loopback && !h.Insecure && len(h.Users) == 0 && len(h.Tokens) == 0 {
		v.errorf("http.listen", "give tokens, listen on 127.0.0.1, or write insecure: true",
			"%s can be reached from other machines and asks for no authentication", h.Listen)
	}
	for i, t := range h.Tokens {
		if t.Name == "" || t.Token == "" {
			v.errorf(fmt.Sprintf("http.tokens.%d", i), "", "a token needs name, and token or token_file")
		}
	}
	for i, u := range h.Users {
		if u.Name == "" || !strings.HasPrefix(u.PasswordHash, "$2") {
			v.errorf(fmt.Sprintf("http.users.%d", i), "", "a user needs name, and a bcrypt hash as password_hash or password_hash_file")
		}
	}
	if h.TLS != nil && (h.TLS.CertFile == "" || h.TLS.KeyFile == "") {
		v.errorf("http.tls", "", "http.tls needs cert_file and key_file")
	}
	if h.WazuhAPI {
		v.report(source.Warning, "http.wazuh_api", "", "http.wazuh_api is not supported yet and has no effect", "http.wazuh_api")
	}
	if len(h.Users) > 0 {
		v.report(source.Warning, "http.users", "use tokens", "http.users cannot log in yet", "http.users")
	}
}
