package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"invigil/connectors"
)

// Shares of repeated rows: the rest changed for real.
const (
	unchangedShare = 0.72
	volatileShare  = 0.27
)

// alertPort is the listening port that the generated rules' hot rule looks for;
// three agents of five have it once: of 100 rows an agent that is 0.6 %.
const alertPort = 4444

// Topic is the topic of the generated messages.
const Topic = "bench"

// start is the receive time of the first generated event, unix milliseconds.
const start = 1_700_000_000_000

// Generator makes a fleet's inventory events, always the same ones for the same
// number of agents. Agents with an even number are of the scan family (3.9),
// the others send deltas (4.x). It belongs to one goroutine.
type Generator struct {
	rng        *rand.Rand
	agents     []agent
	partitions int
	offsets    []int64
	now        int64 // receive time, microseconds
	step       int64 // between two events, microseconds
	scan       int
	next       int // agent whose scan comes next
	buf        []byte
}

// Fleet is what a Generator simulates. Zero values take the defaults named.
type Fleet struct {
	Agents     int // 1
	Rows       int // rows an agent reports: 100
	Partitions int // 1; agents are spread over them
	Rate       int // events a second of receive time: 1000
}

func (f Fleet) withDefaults() Fleet {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&f.Agents, 1)
	def(&f.Rows, 100)
	def(&f.Partitions, 1)
	def(&f.Rate, 1000)
	return f
}

type agent struct {
	id, name string
	scans    int
	rows     []row
}

type kind uint8

const (
	port kind = iota
	process
	pkg
	iface
	system
	hardware
)

// row is one row of an agent: n tells it from others of its kind, version
// changes with a real change, counter with a volatile one.
type row struct {
	n, version, counter int32
	kind                kind
}

// NewGenerator returns a generator for a fleet. Half of an agent's rows are
// ports, a quarter processes, 8 % interfaces, one each OS and hardware, the rest
// packages.
func NewGenerator(f Fleet) *Generator {
	f = f.withDefaults()
	g := &Generator{
		rng: rand.New(rand.NewPCG(1, uint64(f.Agents))), now: start * 1000, step: int64(1_000_000 / f.Rate),
		partitions: f.Partitions, offsets: make([]int64, f.Partitions), agents: make([]agent, f.Agents),
	}
	ports, processes, ifaces := f.Rows/2, f.Rows/4, f.Rows*8/100
	counts := [...]int{
		port: ports, process: processes, iface: ifaces, system: 1, hardware: 1,
		pkg: max(f.Rows-ports-processes-ifaces-2, 0),
	}
	for i := range g.agents {
		a := &g.agents[i]
		a.id, a.name = fmt.Sprintf("%03d", i+1), fmt.Sprintf("host-%05d", i+1)
		a.rows = make([]row, 0, f.Rows)
		for k, count := range counts {
			for n := range count {
				if kind(k) == port && n == 0 && i%5 > 2 {
					n = ports // not the port that alerts
				}
				a.rows = append(a.rows, row{kind: kind(k), n: int32(n), version: 1})
			}
		}
	}
	return g
}

// Batch appends whole reports of the next agents until there are at least n
// messages.
func (g *Generator) Batch(n int) []connectors.Message {
	msgs := make([]connectors.Message, 0, n+n/4)
	for len(msgs) < n {
		msgs = g.Scan(msgs)
	}
	return msgs
}

// Scan appends the messages of one agent's next report: all its rows and, in
// the scan family, the ends. The first report of an agent is all new rows;
// later ones repeat them. Values are fresh bytes, the caller may keep them.
func (g *Generator) Scan(msgs []connectors.Message) []connectors.Message {
	i := g.next
	g.next = (g.next + 1) % len(g.agents)
	a := &g.agents[i]
	a.scans++
	g.scan++
	scanFamily := i%2 == 0
	last := kind(255)
	for r := range a.rows {
		row := &a.rows[r]
		operation := "INSERTED"
		if a.scans > 1 {
			operation = "MODIFIED"
			switch p := g.rng.Float64(); {
			case p < unchangedShare:
			case p < unchangedShare+volatileShare:
				row.counter++
			default:
				row.version++
			}
		}
		if scanFamily && last != row.kind && last < system {
			msgs = g.end(msgs, i, last)
		}
		last = row.kind
		g.head(a)
		if scanFamily {
			g.scanRow(row)
		} else {
			g.deltaRow(row, operation)
		}
		msgs = g.message(msgs, i)
	}
	return msgs
}

func (g *Generator) head(a *agent) {
	g.buf = append(g.buf[:0], "d:["...)
	g.buf = append(g.buf, a.id...)
	g.buf = append(g.buf, "] ("...)
	g.buf = append(g.buf, a.name...)
	g.buf = append(g.buf, ") any->syscollector:"...)
}

// message appends what is in the buffer as a record of the agent's partition.
func (g *Generator) message(msgs []connectors.Message, agent int) []connectors.Message {
	p := agent % g.partitions
	g.now += g.step
	m := connectors.Message{
		Topic: Topic, Partition: int32(p), Offset: g.offsets[p], Time: g.now / 1000,
		Key: []byte(g.agents[agent].id), Value: append([]byte(nil), g.buf...),
	}
	g.offsets[p]++
	return append(msgs, m)
}

// end appends the end of the scan of a kind.
func (g *Generator) end(msgs []connectors.Message, agent int, k kind) []connectors.Message {
	g.head(&g.agents[agent])
	g.printf(`{"type":"%s_end","ID":%d,"timestamp":"2023/11/14 22:13:20"}`,
		[...]string{"port", "process", "program", "network"}[k], g.scan)
	return g.message(msgs, agent)
}

func (g *Generator) printf(format string, args ...any) { g.buf = fmt.Appendf(g.buf, format, args...) }

// scanRow writes a row as a 3.9 agent sends it.
func (g *Generator) scanRow(r *row) {
	const stamp = `"timestamp":"2023/11/14 22:13:20"`
	switch r.kind {
	case port:
		g.printf(`{"type":"port","ID":%d,%s,"port":{"protocol":"tcp","local_ip":"10.0.0.5","local_port":%d,"remote_ip":"0.0.0.0","remote_port":0,"tx_queue":%d,"rx_queue":0,"inode":%d,"state":"%s"}}`,
			g.scan, stamp, localPort(r), r.counter, 30000+r.n, portState(r))
	case process:
		g.printf(`{"type":"process","ID":%d,%s,"process":{"pid":%d,"name":"%s","state":"S","ppid":1,"utime":%d,"stime":%d,"cmd":"/usr/sbin/%s","argvs":["-D","-p","%d"],"euser":"root","ruser":"root","suser":"root","egroup":"root","rgroup":"root","sgroup":"root","fgroup":"root","priority":20,"nice":%d,"size":%d,"vm_size":9064,"resident":1204,"share":1090,"start_time":99112,"pgrp":2210,"session":2210,"nlwp":1,"tgid":2210,"tty":0,"processor":%d}}`,
			g.scan, stamp, 1000+r.n, name("daemon", r.n), r.counter, r.counter, name("daemon", r.n), r.n, r.version%20, 2266, r.counter%2)
	case pkg:
		g.printf(`{"type":"program","ID":%d,%s,"program":{"format":"deb","name":"%s","priority":"optional","group":"net","size":%d,"vendor":"Ubuntu Developers","architecture":"amd64","multi-arch":"foreign","source":"%s","version":"%d.%d-1","description":"a package of the benchmark"}}`,
			g.scan, stamp, name("package", r.n), 100+r.n, name("source", r.n), r.version, r.n)
	case iface:
		g.printf(`{"type":"network","ID":%d,%s,"iface":{"name":"eth%d","type":"ethernet","state":"%s","MAC":"52:54:00:4a:11:%02x","tx_packets":%d,"rx_packets":%d,"tx_bytes":%d,"rx_bytes":%d,"tx_errors":0,"rx_errors":0,"tx_dropped":0,"rx_dropped":3,"MTU":1500}}`,
			g.scan, stamp, r.n, upDown(r), r.n, 812+r.counter, 1440+r.counter, 91822+r.counter*7, 2048811+r.counter*9)
	case system:
		g.printf(`{"type":"OS","ID":%d,%s,"inventory":{"os_name":"Ubuntu","os_major":"22","os_minor":"04","os_version":"22.04.%d LTS (Jammy Jellyfish)","os_codename":"Jammy Jellyfish","os_platform":"ubuntu","sysname":"Linux","hostname":"build-07","release":"5.15.0-51-generic","version":"#55-Ubuntu SMP","architecture":"x86_64"}}`,
			g.scan, stamp, r.version)
	case hardware:
		g.printf(`{"type":"hardware","ID":%d,%s,"inventory":{"board_serial":"PF1A2B3C","cpu_name":"Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz","cpu_cores":%d,"cpu_MHz":1992.004,"ram_total":16303508,"ram_free":%d,"ram_usage":86}}`,
			g.scan, stamp, 2+r.version%7, 2210340+r.counter)
	}
}

// deltaRow writes a row as a 4.x agent sends it.
func (g *Generator) deltaRow(r *row, operation string) {
	const stamp = `"checksum":"8b0fd21c5fa1ae40b2f3e4d5c6b7a8990a1b2c3d","scan_time":"2023/11/14 22:13:20"`
	switch r.kind {
	case port:
		g.printf(`{"data":{"inode":%d,"item_id":"e2d21c5fa1ae40b2f3e4d5c6b7a8990a1b2c3d4e","local_ip":"0.0.0.0","local_port":%d,"pid":%d,"process":"%s","protocol":"tcp","remote_ip":"0.0.0.0","remote_port":0,"rx_queue":0,"state":"%s","tx_queue":%d,%s},"operation":"%s","type":"dbsync_ports"}`,
			30000+r.n, localPort(r), 1000+r.n, name("daemon", r.n), portState(r), r.counter, stamp, operation)
	case process:
		g.printf(`{"data":{"argvs":"-lvnp %d","cmd":"%s","egroup":"root","euser":"root","fgroup":"root","name":"%s","nice":%d,"nlwp":1,"pgrp":9120,"pid":"%d","ppid":1,"priority":20,"processor":%d,"resident":410,"rgroup":"root","ruser":"root","session":9001,"sgroup":"root","share":380,"size":1212,"start_time":1710921600,"state":"S","stime":%d,"suser":"root","tgid":9120,"tty":34816,"utime":%d,"vm_size":4848,%s},"operation":"%s","type":"dbsync_processes"}`,
			r.n, name("daemon", r.n), name("daemon", r.n), r.version%20, 1000+r.n, r.counter%2, r.counter, r.counter, stamp, operation)
	case pkg:
		g.printf(`{"data":{"architecture":"amd64","description":"a package of the benchmark","format":"deb","groups":"net","item_id":"a1d21c5fa1ae40b2f3e4d5c6b7a8990a1b2c3d4e","multiarch":"no","name":"%s","priority":"extra","size":%d,"source":" ","vendor":"Ubuntu Developers","version":"%d.%d+dfsg1-1",%s},"operation":"%s","type":"dbsync_packages"}`,
			name("package", r.n), 4000+r.version, 7, r.n, stamp, operation)
	case iface:
		g.printf(`{"data":{"adapter":null,"item_id":"7cd21c5fa1ae40b2f3e4d5c6b7a8990a1b2c3d4e","mac":"02:42:0c:11:aa:%02x","mtu":1500,"name":"eth%d","rx_bytes":%d,"rx_dropped":0,"rx_errors":0,"rx_packets":%d,"state":"%s","tx_bytes":%d,"tx_dropped":0,"tx_errors":0,"tx_packets":%d,"type":"ethernet",%s},"operation":"%s","type":"dbsync_network_iface"}`,
			r.n, r.n, r.counter*9, r.counter, upDown(r), 4500000000+int64(r.counter), 17+r.counter, stamp, operation)
	case system:
		g.printf(`{"data":{"architecture":"x86_64","hostname":"db-02","os_codename":"Jammy Jellyfish","os_major":"22","os_minor":"04","os_name":"Ubuntu","os_patch":"%d","os_platform":"ubuntu","os_version":"22.04.4 LTS (Jammy Jellyfish)","release":"5.15.0-101-generic","sysname":"Linux","version":"#111-Ubuntu SMP",%s},"operation":"%s","type":"dbsync_osinfo"}`,
			r.version, stamp, operation)
	case hardware:
		g.printf(`{"data":{"board_serial":"VMware-42 1a","cpu_cores":%d,"cpu_mhz":2394.5,"cpu_name":"Intel(R) Xeon(R) Gold 6148","ram_free":%d,"ram_total":8148020,"ram_usage":89,%s},"operation":"%s","type":"dbsync_hwinfo"}`,
			2+r.version%7, 901224+r.counter, stamp, operation)
	}
}

func name(prefix string, n int32) string { return prefix + "-" + strconv.Itoa(int(n)) }

// localPort gives row 0 of an agent's ports the port that alerts.
func localPort(r *row) int {
	if r.n == 0 {
		return alertPort
	}
	return 10000 + int(r.n)
}

func portState(r *row) string {
	if r.version%2 == 1 {
		return "listening"
	}
	return "close_wait"
}

func upDown(r *row) string {
	if r.version%2 == 1 {
		return "up"
	}
	return "down"
}
