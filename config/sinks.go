package config

import (
	"fmt"
	"net/url"
)

// formats are how a sink may render an alert.
var formats = []string{"wazuh", "native", "text"}

// sinks checks the sinks and completes their names, formats and connections.
// Without any, alerts go to the standard output.
func (v *validator) sinks(c *Config) {
	if len(c.Sinks) == 0 {
		c.Sinks = []Sink{{Stdout: &Stdout{}}}
	}
	names := map[string]bool{}
	for i := range c.Sinks {
		s, path := &c.Sinks[i], fmt.Sprintf("sinks.%d", i)
		name, given := v.sink(s, c, path)
		if given != 1 {
			v.errorf(path, "write an entry a sink", "a sink is one of file, kafka, webhook and stdout, this one has %d of them", given)
		}
		if s.Name == "" {
			s.Name = name
		}
		if names[s.Name] {
			v.errorf(path, "give them names", "two sinks are called %s", s.Name)
		}
		names[s.Name] = true
	}
}

// sink checks one sink; it returns its default name and how many kinds it has.
func (v *validator) sink(s *Sink, c *Config, path string) (name string, given int) {
	if f := s.File; f != nil {
		given, name = given+1, "file:"+f.Path
		v.format(path+".file", &f.Format)
		if f.Path == "" {
			v.errorf(path+".file", "", "a file sink needs path")
		}
		if f.Rotate != "" {
			v.oneOf(path+".file.rotate", f.Rotate, "daily", "never")
		}
	}
	if k := s.Kafka; k != nil {
		given, name = given+1, "kafka:"+k.Topic
		v.kafkaSink(k, c.Source.Kafka, path+".kafka")
	}
	if w := s.Webhook; w != nil {
		given++
		v.format(path+".webhook", &w.Format)
		u, err := url.Parse(w.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			v.errorf(path+".webhook", "", "a webhook sink needs url or url_file, http or https")
		} else {
			name = "webhook:" + u.Host
		}
		v.connection(path+".webhook", w.TLS, nil)
	}
	if o := s.Stdout; o != nil {
		given, name = given+1, "stdout"
		v.format(path+".stdout", &o.Format)
	}
	return name, given
}

func (v *validator) kafkaSink(k *KafkaTopic, from *Kafka, path string) {
	v.format(path, &k.Format)
	if k.Topic == "" {
		v.errorf(path, "", "a Kafka sink needs topic")
	}
	k.Brokers = v.brokers(path+".brokers", k.Brokers)
	if len(k.Brokers) == 0 && from != nil {
		k.Brokers = from.Brokers
		if k.TLS == nil {
			k.TLS = from.TLS
		}
		if k.SASL == nil {
			k.SASL = from.SASL
		}
	}
	if len(k.Brokers) == 0 {
		v.errorf(path, "", "a Kafka sink needs brokers, unless the source is Kafka")
	}
	v.connection(path, k.TLS, k.SASL)
}

func (v *validator) format(path string, f *string) {
	if *f == "" {
		*f = formats[0]
	}
	v.oneOf(path+".format", *f, formats...)
}
