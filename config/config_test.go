package config_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/config"
	"invigil/config/source"
)

var update = flag.Bool("update", false, "write golden files anew")

// env makes an environment of NAME=value pairs.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, p := range pairs {
			if n, value, _ := strings.Cut(p, "="); n == name {
				return value, true
			}
		}
		return "", false
	}
}

func noFiles(name string) ([]byte, error) {
	if name == "secret" {
		return []byte("from-file\n"), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func parse(name, text string, o config.Options) (*config.Config, source.Diagnostics) {
	o.ReadFile = noFiles
	return config.Parse(source.File{Name: name, Data: []byte(text)}, o)
}

func printed(t *testing.T, c *config.Config) string {
	t.Helper()
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func files(t *testing.T, glob string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(glob)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", glob, err)
	}
	out := map[string]string{}
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		out[n] = string(data)
	}
	return out
}

func TestGoodFilesGiveTheirEffectiveTree(t *testing.T) {
	for name, text := range files(t, "testdata/good/*.yml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			c, ds := parse(filepath.Base(name), text, config.Options{})
			if err := ds.Err(); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(name, ".yml")+".golden", printed(t, c))
		})
	}
}

func TestBadFilesTellAllTheirProblems(t *testing.T) {
	for name, text := range files(t, "testdata/bad/*.yml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, ds := parse(filepath.Base(name), text, config.Options{})
			if ds.Err() == nil {
				t.Fatal("no error")
			}
			var b strings.Builder
			if err := ds.Render(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(name, ".yml")+".golden", b.String())
		})
	}
}

// TestPrintedTreeReadsBack: what --print-config shows is a configuration.
func TestPrintedTreeReadsBack(t *testing.T) {
	for name, text := range files(t, "testdata/good/*.yml") {
		c, _ := parse(name, text, config.Options{})
		first := printed(t, c)
		again, ds := parse("printed", first, config.Options{})
		if err := ds.Err(); err != nil && !strings.Contains(first, "password_hash") {
			t.Errorf("%s: %v\n%s", name, err, first)
		}
		if diff := cmp.Diff(first, printed(t, again)); diff != "" {
			t.Errorf("%s (-first +again):\n%s", name, diff)
		}
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	c, ds := parse("c.yml", `
source: {kafka: {brokers: [a:1], topics: [t], sasl: {mechanism: PLAIN, username: u, password_file: secret}}}
rules: {paths: [r]}
http: {listen: "127.0.0.1:1", tokens: [{name: g, token: open-sesame}], users: [{name: u, password_hash: $2b$10$zzz}]}
sinks: [{webhook: {url: "https://hooks.example.com/services/T0/key"}}]
`, config.Options{})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	if got := c.Source.Kafka.SASL.Password; got != "from-file" {
		t.Errorf("password is %q, want the file's line", got)
	}
	text := printed(t, c)
	for _, secret := range []string{"from-file", "open-sesame", "$2b$10$zzz", "services/T0"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is printed:\n%s", secret, text)
		}
	}
	if !strings.Contains(text, "password_file: secret") || !strings.Contains(text, "********") {
		t.Errorf("neither the file nor the mask is printed:\n%s", text)
	}
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	const text = "source: {stdin: {}}\nrules: {paths: [r]}\nstate: {dir: file, outbox: 7}\n"
	tests := []struct {
		name string
		env  []string
		set  []string
		want string
	}{
		{name: "file beats default", want: "file"},
		{name: "environment beats file", env: []string{"INVIGIL_STATE_DIR=env"}, want: "env"},
		{name: "flag beats environment", env: []string{"INVIGIL_STATE_DIR=env"}, set: []string{"state.dir=flag"}, want: "flag"},
		{name: "the last flag counts", set: []string{"state.dir=a", "state.dir=b"}, want: "b"},
		{name: "a value is text, whatever it looks like", set: []string{"state.dir={x: [1]} # y"}, want: "{x: [1]} # y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, ds := parse("c.yml", text, config.Options{Env: env(tt.env...), Set: tt.set})
			if err := ds.Err(); err != nil {
				t.Fatal(err)
			}
			if c.State.Dir != tt.want {
				t.Errorf("state.dir = %q, want %q", c.State.Dir, tt.want)
			}
			if c.State.Outbox != 7 || c.State.Batch.Events != 2000 {
				t.Errorf("other keys changed: %+v", c.State)
			}
		})
	}
}

func TestEnvironmentAloneMakesAConfiguration(t *testing.T) {
	c, ds := parse("", "", config.Options{Env: env(
		"INVIGIL_SOURCE_KAFKA_BROKERS=a:9092, b:9092", "INVIGIL_SOURCE_KAFKA_TOPICS=syscollector",
		"INVIGIL_SOURCE_KAFKA_FETCH_MAX_WAIT=1s", "INVIGIL_RULES_PATHS=rules/", "INVIGIL_STATE_BATCH_BYTES=2MiB",
		"INVIGIL_RULES_RELOAD=false", "INVIGIL_SERVICE_HOST=set by an orchestrator")})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	k := c.Source.Kafka
	if diff := cmp.Diff([]string{"a:9092", "b:9092"}, k.Brokers); diff != "" {
		t.Error(diff)
	}
	if k.Group != "invigil" || k.Fetch.MaxWait.Seconds() != 1 || k.Fetch.MaxBytes != 1<<20 || c.State.Batch.Bytes != 2<<20 || c.Rules.Reload {
		t.Errorf("got %+v %+v", k, c.State)
	}
}

func TestWrongOverridesAreReportedByTheirName(t *testing.T) {
	_, ds := parse("c.yml", "source: {stdin: {}}\nrules: {paths: [r]}\n", config.Options{
		Env: env("INVIGIL_STATE_OUTBOX=many", "INVIGIL_LOG_LEVEL=loud"),
		Set: []string{"state.dri=x", "state.history", "rules.compat=5"},
	})
	got := ds.Error()
	for _, want := range []string{
		"environment variable INVIGIL_STATE_OUTBOX: error: this must be a whole number",
		`environment variable INVIGIL_LOG_LEVEL: error: "loud" is not known here`,
		`--set state.dri: error: unknown key (did you mean "state.dir"?)`,
		"--set state.history: error: a value is missing",
		`--set rules.compat: error: "5" is not known here`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in:\n%s", want, got)
		}
	}
}

func TestExposedListenerDemandsAuthentication(t *testing.T) {
	const head = "source: {stdin: {}}\nrules: {paths: [r]}\nhttp: "
	tests := []struct {
		http string
		ok   bool
	}{
		{`{listen: "127.0.0.1:1"}`, true},
		{`{listen: "127.3.2.1:1"}`, true},
		{`{listen: "[::1]:1"}`, true},
		{`{listen: "localhost:1"}`, true},
		{`{listen: ":8480"}`, false},
		{`{listen: "0.0.0.0:1"}`, false},
		{`{listen: "[::]:1"}`, false},
		{`{listen: "example.com:1"}`, false},
		{`{listen: ":8480", insecure: true}`, true},
		{`{listen: ":8480", tokens: [{name: a, token: b}]}`, true},
		{`{listen: "8480"}`, false},
	}
	for _, tt := range tests {
		_, ds := parse("c.yml", head+tt.http+"\n", config.Options{})
		if err := ds.Err(); (err == nil) != tt.ok {
			t.Errorf("%s: %v, want ok = %v", tt.http, err, tt.ok)
		}
	}
}

func TestSizesReadWhatTheyPrint(t *testing.T) {
	for text, want := range map[string]config.Size{"0": 0, "17": 17, "1KiB": 1024, "1 MiB": 1 << 20, "3GiB": 3 << 30, "2kB": 2000, "5B": 5} {
		got, err := config.ParseSize(text)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
		if back, err := config.ParseSize(got.String()); err != nil || back != want {
			t.Errorf("%q prints as %q, which reads as %d, %v", text, got, back, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1XB", "99999999999TiB"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, dir := range []string{"good", "bad"} {
		names, _ := filepath.Glob("testdata/" + dir + "/*.yml")
		for _, n := range names {
			data, err := os.ReadFile(n)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, "state.dir=x")
		}
	}
	f.Add([]byte("source: &a {stdin: {}}\nrules: *a\n"), "sinks=[{stdout: {}}]")
	f.Fuzz(func(t *testing.T, data []byte, set string) {
		c, ds := parse("f.yml", string(data), config.Options{Env: env("BROKERS=a:1"), Set: []string{set}})
		for _, d := range ds {
			if d.Message == "" || strings.ContainsAny(d.Message, "\n") {
				t.Errorf("diagnostic %q is not one line", d.Message)
			}
		}
		if ds.Err() != nil {
			return
		}
		first := printed(t, c)
		again, _ := parse("printed", first, config.Options{})
		if second := printed(t, again); second != first {
			t.Errorf("printed\n%s\nreads back as\n%s", first, second)
		}
	})
}
