package fleet

import (
	"bytes"
	"fmt"
	"time"
)

// Agent is a sender of events.
type Agent struct {
	ID   string // three digits or more
	Name string
	IP   string
}

// Manager is the manager itself, which reports as agent 000.
var Manager = Agent{ID: "000", Name: "manager", IP: "127.0.0.1"}

// source is the first half of a location in archives.log.
func (a Agent) source() string {
	if a.ID == Manager.ID {
		return a.Name
	}
	return "(" + a.Name + ") " + a.IP
}

// Envelope is one of the forms in which an agent's message reaches a topic.
type Envelope uint8

// The envelopes: those that the original writes, those in which shippers wrap
// a line once more, and those of integrations.
const (
	Queue        Envelope = iota // analysis-queue line
	ArchivesJSON                 // archives.json line
	ArchivesLog                  // archives.log line; the record key gives the id
	ArchivesTwo                  // archives.log, header and message on two lines
	Bare                         // the message with an agent object beside it
	Bus                          // the 4.14 buses, delta family only
	FilebeatJSON                 // Filebeat around an archives.json line
	FilebeatLog                  // Filebeat around an archives.log line
	LogstashJSON                 // Logstash: event.original
	FluentBit                    // Fluent Bit: log
	Vector                       // Vector: message
	Rsyslog                      // a syslog header before the line
	NumEnvelopes
)

var envelopeNames = [...]string{"queue", "archives-json", "archives-log", "archives-two-lines", "bare", "bus",
	"filebeat-json", "filebeat-log", "logstash", "fluent-bit", "vector", "rsyslog"}

// String returns the envelope's name.
func (e Envelope) String() string { return envelopeNames[e] }

// Wrap puts a message into the envelope, as received by the manager at the
// given time.
func (e Envelope) Wrap(a Agent, at time.Time, message []byte) []byte {
	switch e {
	case Queue:
		if a.ID == Manager.ID {
			return fmt.Appendf(nil, "d:syscollector:%s", message)
		}
		return fmt.Appendf(nil, "d:[%s] (%s) %s->syscollector:%s", a.ID, a.Name, a.IP, message)
	case ArchivesJSON:
		return archivesJSON(a, at, message)
	case ArchivesLog:
		return fmt.Appendf(nil, "%s %s->syscollector %s", at.Format(archivesTime), a.source(), message)
	case ArchivesTwo:
		return fmt.Appendf(nil, "%s %s->syscollector \n%s", at.Format(archivesTime), a.source(), message)
	case Bare:
		return insert(message, "agent", object{"id", a.ID, "name", a.Name, "ip", a.IP})
	case Bus:
		return bus(a, message)
	case FilebeatJSON:
		return filebeat(at, archivesJSON(a, at, message))
	case FilebeatLog:
		return filebeat(at, ArchivesLog.Wrap(a, at, message))
	case LogstashJSON:
		return appendJSON(nil, object{"@timestamp", at.Format(shipperTime), "@version", "1",
			"event", object{"original", string(archivesJSON(a, at, message))}, "host", object{"name", "shipper-02"}})
	case FluentBit:
		return appendJSON(nil, object{"@timestamp", at.Format(shipperTime), "log", string(archivesJSON(a, at, message))})
	case Vector:
		return appendJSON(nil, object{"file", "/var/ossec/logs/archives/archives.json", "host", "shipper-03",
			"message", string(archivesJSON(a, at, message)), "source_type", "file", "timestamp", at.Format(shipperTime)})
	case Rsyslog:
		return fmt.Appendf(nil, "%s manager archives: %s", at.Format(time.RFC3339Nano), archivesJSON(a, at, message))
	}
	return message
}

const (
	archivesTime = "2006 Jan 02 15:04:05"
	shipperTime  = "2006-01-02T15:04:05.000Z"
	alertTime    = "2006-01-02T15:04:05.000-0700"
)

// archivesJSON is a line of archives.json: an alert without a rule.
func archivesJSON(a Agent, at time.Time, message []byte) []byte {
	return appendJSON(nil, object{
		"timestamp", at.Format(alertTime),
		"agent", object{"id", a.ID, "name", a.Name, "ip", a.IP},
		"manager", object{"name", "manager"},
		"id", fmt.Sprintf("%d.0", at.Unix()),
		"full_log", string(message),
		"decoder", object{"name", "syscollector"},
		"location", "syscollector"})
}

// filebeat is what Filebeat's Kafka output makes of a line, its own agent
// object included.
func filebeat(at time.Time, line []byte) []byte {
	return appendJSON(nil, object{"@timestamp", at.Format(shipperTime),
		"@metadata", object{"beat", "filebeat", "type", "_doc", "version", "8.13.2"},
		"agent", object{"type", "filebeat", "id", "0d8c1a4e-6f0b-4b0e-9d6e-3a0e8f6c9b11", "name", "shipper-01"},
		"message", string(line)})
}

// bus turns a delta or a state message into the form of 4.14's buses: the
// type is called data_type and the agent stands beside it.
func bus(a Agent, message []byte) []byte {
	message = bytes.Replace(message, []byte(`,"type":"dbsync_`), []byte(`,"data_type":"dbsync_`), 1)
	return insert(message, "agent_info", object{"agent_id", a.ID, "agent_ip", a.IP, "agent_name", a.Name, "agent_version", "v4.14.0"})
}

// insert puts a member before an object's first one.
func insert(message []byte, name string, value any) []byte {
	b := appendJSON([]byte("{"), name)
	b = append(b, ':')
	b = appendJSON(b, value)
	b = append(b, ',')
	return append(b, message[1:]...)
}
