package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"invigil/config"
	"invigil/connectors"
	"invigil/connectors/alertfmt"
	"invigil/connectors/file"
	"invigil/connectors/kafka"
	"invigil/connectors/webhook"
	"invigil/pipeline"
)

// openSource makes the configured source.
func (s *service) openSource() (connectors.Source, error) {
	switch src := s.cfg.Source; {
	case src.Kafka != nil:
		k := src.Kafka
		conn, err := connection(k.Brokers, k.TLS, k.SASL)
		if err != nil {
			return nil, fmt.Errorf("source: %w", err)
		}
		return kafka.NewSource(kafka.SourceOptions{
			Connection: conn, Topics: k.Topics, Group: k.Group,
			StartLatest: k.Start == "latest", ReadUncommitted: k.Isolation == "read_uncommitted",
			OnLost: policy(k.OnLost == "continue"), OnTruncated: policy(k.OnTruncated == "restart"),
			SessionTimeout: k.SessionTimeout, RebalanceTimeout: k.RebalanceTimeout, KeepSeat: !k.LeaveOnStop,
			FetchMaxBytes: int(k.Fetch.MaxBytes), FetchMaxWait: k.Fetch.MaxWait,
			Hooks: s.meter.hooks(), Logger: s.log,
		})
	case src.File != nil:
		return file.NewSource(file.SourceOptions{Paths: src.File.Paths, Stdin: s.stdin, Follow: src.File.Follow,
			Positions: filepath.Join(s.cfg.State.Dir, "source-positions"), Logger: s.log})
	}
	return file.NewSource(file.SourceOptions{Stdin: s.stdin, Logger: s.log})
}

// openChangelog makes the configured changelog, nil without one.
func (s *service) openChangelog() (*kafka.Changelog, error) {
	k, c := s.cfg.Source.Kafka, s.cfg.State.Changelog
	if !c.On {
		return nil, nil
	}
	conn, err := connection(k.Brokers, k.TLS, k.SASL)
	if err != nil {
		return nil, fmt.Errorf("changelog: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("changelog: name this instance: %w", err)
	}
	return kafka.NewChangelog(kafka.ChangelogOptions{
		Connection: conn, Group: k.Group, Sources: k.Topics, Topic: c.Topic, Replication: c.Replication,
		Compression: "lz4", Instance: fmt.Sprintf("%s/%d", host, os.Getpid()),
		Appended: s.meter.appended, Restored: s.meter.restored,
		Hooks: s.meter.hooks(), Logger: s.log,
	})
}

// openSinks makes the configured sinks, that of dead letters included.
func (s *service) openSinks() ([]pipeline.Sink, error) {
	var out []pipeline.Sink
	for _, c := range s.cfg.Sinks {
		sink, format, err := s.openSink(c)
		if err != nil {
			return nil, fmt.Errorf("sink %s: %w", c.Name, err)
		}
		s.sinks = append(s.sinks, sink)
		f, err := alertfmt.FormatIn(format, s.zone)
		if err != nil {
			return nil, fmt.Errorf("sink %s: %w", c.Name, err)
		}
		out = append(out, pipeline.Sink{Name: c.Name, Sink: sink, Format: f.Append})
	}
	if k := s.cfg.Source.Kafka; k != nil && k.DeadLetters.Topic != "" {
		conn, err := connection(k.Brokers, k.TLS, k.SASL)
		if err != nil {
			return nil, err
		}
		sink, err := kafka.NewSink(kafka.SinkOptions{Connection: conn, Topic: k.DeadLetters.Topic, Hooks: s.meter.hooks(), Logger: s.log})
		if err != nil {
			return nil, err
		}
		s.sinks = append(s.sinks, sink)
		out = append(out, pipeline.Sink{Name: deadLetterSink(k.DeadLetters.Topic), Sink: sink, DeadLetters: true})
	}
	return out, nil
}

// deadLetterSink is the name of the sink of dead letters.
func deadLetterSink(topic string) string { return "dead-letters:" + topic }

func (s *service) openSink(c config.Sink) (sink connectors.Sink, format string, err error) {
	switch {
	case c.File != nil:
		sink, err = file.NewSink(file.SinkOptions{Path: c.File.Path, Daily: c.File.Rotate == "daily",
			Now: func() time.Time { return time.Now().In(s.zone) }})
		return sink, c.File.Format, err
	case c.Kafka != nil:
		conn, err := connection(c.Kafka.Brokers, c.Kafka.TLS, c.Kafka.SASL)
		if err != nil {
			return nil, "", err
		}
		sink, err = kafka.NewSink(kafka.SinkOptions{Connection: conn, Topic: c.Kafka.Topic, Hooks: s.meter.hooks(), Logger: s.log})
		return sink, c.Kafka.Format, err
	case c.Webhook != nil:
		o := webhook.Options{URL: c.Webhook.URL, Timeout: c.Webhook.Timeout, Logger: s.log}
		if c.Webhook.Token != "" {
			o.Headers = map[string]string{"Authorization": "Bearer " + c.Webhook.Token}
		}
		if o.TLS, err = tlsConfig(c.Webhook.TLS); err != nil {
			return nil, "", err
		}
		sink, err = webhook.NewSink(o)
		return sink, c.Webhook.Format, err
	}
	return file.NewWriterSink(s.stdout), c.Stdout.Format, nil
}

// connection turns the configuration of a Kafka connection into options.
func connection(brokers []string, t *config.TLS, l *config.SASL) (kafka.Connection, error) {
	c := kafka.Connection{Brokers: brokers}
	var err error
	if c.TLS, err = tlsConfig(t); err != nil {
		return c, err
	}
	if l != nil {
		c.SASL = &kafka.SASL{Mechanism: l.Mechanism, Username: l.Username, Password: l.Password}
	}
	return c, nil
}

// tlsConfig reads the files of a TLS configuration, nil without one.
func tlsConfig(t *config.TLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	return kafka.TLSFiles{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile}.Config()
}

// policy is Continue or Stop.
func policy(goOn bool) kafka.Policy {
	if goOn {
		return kafka.Continue
	}
	return kafka.Stop
}
