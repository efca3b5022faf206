package config

import (
	"io"
	"os"

	"invigil/config/source"
)

// Options say what a configuration is read with beside its file.
type Options struct {
	// Env looks an environment variable up; nil = there are none.
	Env func(name string) (value string, ok bool)
	// Set are overrides from flags, key=value with the key's dotted path.
	Set []string
	// ReadFile reads a secret's file; nil = from disk, 64 KiB at most.
	ReadFile func(path string) ([]byte, error)
}

// Load reads the file at path, or none if path is empty; see Parse. An error
// is a file that cannot be read.
func Load(path string, o Options) (*Config, source.Diagnostics, error) {
	f := source.File{Name: path}
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		f.Data = data
	}
	c, ds := Parse(f, o)
	return c, ds, nil
}

// Parse reads a configuration: the file with its variables expanded, then the
// environment, then the overrides, all checked. The diagnostics hold every
// problem; the configuration is fit for use if none is an error.
func Parse(f source.File, o Options) (*Config, source.Diagnostics) {
	if o.Env == nil {
		o.Env = func(string) (string, bool) { return "", false }
	}
	if o.ReadFile == nil {
		o.ReadFile = readSecret
	}
	c := Default()
	y := source.ParseYAML(f)
	if root := y.Root(); root != nil {
		root.Expand(func(s string) (string, error) { return expand(s, o.Env) })
		root.Decode(c)
	}
	l := &layers{config: c, file: y, from: make(map[string]source.Position)}
	l.environment(o.Env)
	l.flags(o.Set)
	if c.State.Changelog.Auto {
		c.State.Changelog = Changelog{On: c.Source.Kafka != nil}
	}
	if y.Root() != nil || len(y.Diagnostics()) == 0 { // else it is not YAML
		v := &validator{layers: l, readFile: o.ReadFile}
		v.check(c)
	}
	ds := append(y.Diagnostics(), l.found...)
	return c, ds
}

// readSecret reads a file that holds one secret.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}
