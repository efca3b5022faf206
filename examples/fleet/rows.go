package fleet

import (
	"fmt"
	"strings"
)

// Family is the generation of an agent.
type Family uint8

// The families: ScanFamily agents (up to 4.1) report everything in every
// scan, DeltaFamily agents (from 4.2 on) what changed.
const (
	ScanFamily Family = iota
	DeltaFamily
)

// Port is a socket.
type Port struct {
	Protocol   string // tcp, udp, tcp6, udp6
	LocalIP    string
	LocalPort  int
	RemoteIP   string
	RemotePort int
	Inode      int
	State      string // listening, established …; "" for udp
	PID        int
	Process    string
	Queue      int // bytes waiting: changes all the time
}

// Row returns the socket as agents of the family report it.
func (p Port) Row(f Family) Row {
	r := Row{"protocol", p.Protocol, "local_ip", p.LocalIP, "local_port", p.LocalPort,
		"remote_ip", p.RemoteIP, "remote_port", p.RemotePort, "tx_queue", p.Queue, "rx_queue", 0, "inode", p.Inode}
	if p.State != "" {
		r = append(r, "state", p.State)
	}
	if f == DeltaFamily {
		r = append(r, "pid", p.PID, "process", p.Process)
	}
	return r
}

// Package is an installed package.
type Package struct {
	Format, Name, Version, Architecture, Vendor, Section string
	Size                                                 int
}

// Row returns the package as agents of the family report it.
func (p Package) Row(f Family) Row {
	section, multi := "group", "multi-arch"
	if f == DeltaFamily {
		section, multi = "groups", "multiarch"
	}
	return Row{"format", p.Format, "name", p.Name, "priority", "optional", section, p.Section, "size", p.Size,
		"vendor", p.Vendor, "architecture", p.Architecture, multi, "foreign", "source", " ",
		"version", p.Version, "description", p.Name + " package"}
}

// Process is a running process.
type Process struct {
	PID, PPID int
	Name      string
	Args      []string
	User      string
	CPU       int // ticks used: changes all the time
}

// Row returns the process as agents of the family report it.
func (p Process) Row(f Family) Row {
	var pid, args any = p.PID, p.Args
	if f == DeltaFamily {
		pid, args = fmt.Sprint(p.PID), strings.Join(p.Args, " ")
	}
	return Row{"pid", pid, "name", p.Name, "state", "S", "ppid", p.PPID, "utime", p.CPU, "stime", p.CPU / 3, "cmd", p.Name,
		"argvs", args, "euser", p.User, "ruser", p.User, "suser", p.User, "egroup", p.User, "rgroup", p.User, "sgroup", p.User,
		"fgroup", p.User, "priority", 20, "nice", 0, "size", 2266, "vm_size", 9064, "resident", 1204, "share", 1090,
		"start_time", 99112, "pgrp", p.PID, "session", p.PID, "nlwp", 1, "tgid", p.PID, "tty", 0, "processor", p.PID % 4}
}

// Interface is a network interface; a scan reports its address with it.
type Interface struct {
	Name, State, MAC, Address, Gateway string
	Packets                            int // changes all the time
}

// Row returns the interface as agents of the family report it.
func (i Interface) Row(f Family) Row {
	mac, mtu := "MAC", "MTU"
	if f == DeltaFamily {
		mac, mtu = "mac", "mtu"
	}
	r := Row{"name", i.Name, "type", "ethernet", "state", i.State, mac, i.MAC,
		"tx_packets", i.Packets, "rx_packets", i.Packets * 2, "tx_bytes", i.Packets * 120, "rx_bytes", i.Packets * 900,
		"tx_errors", 0, "rx_errors", 0, "tx_dropped", 0, "rx_dropped", 0, mtu, 1500}
	if f == DeltaFamily {
		return append(r, "adapter", nil)
	}
	address, netmask, broadcast := []string{""}, []string{""}, []string{""}
	if i.Address != "" {
		address, netmask, broadcast = []string{i.Address}, []string{"255.255.255.0"}, []string{networkOf(i.Address) + ".255"}
	}
	return append(r, "IPv4", object{"address", address, "netmask", netmask, "broadcast", broadcast,
		"gateway", i.Gateway, "DHCP", "enabled"})
}

// ProtocolRow and AddressRow are the delta family's other two network tables.
func (i Interface) ProtocolRow() Row {
	return Row{"iface", i.Name, "type", "ipv4", "gateway", i.Gateway, "dhcp", "enabled", "metric", "100"}
}

// AddressRow returns the interface's address.
func (i Interface) AddressRow() Row {
	return Row{"iface", i.Name, "proto", 0, "address", i.Address, "netmask", "255.255.255.0",
		"broadcast", networkOf(i.Address) + ".255"}
}

func networkOf(ip string) string { return ip[:strings.LastIndexByte(ip, '.')] }

// System is an agent's operating system.
type System struct {
	Hostname, Name, Version, Major, Minor, Codename, Platform, Sysname, Release string
}

// Row returns the system as agents of both families report it.
func (s System) Row() Row {
	return Row{"os_name", s.Name, "os_major", s.Major, "os_minor", s.Minor, "os_version", s.Version, "os_codename", s.Codename,
		"os_platform", s.Platform, "sysname", s.Sysname, "hostname", s.Hostname, "release", s.Release,
		"version", "#55 SMP", "architecture", "x86_64"}
}

// Hardware is an agent's hardware; sizes in kB.
type Hardware struct {
	Serial, CPU string
	Cores       int
	MHz         float64
	Total, Free int
}

// Row returns the hardware as agents of the family report it.
func (h Hardware) Row(f Family) Row {
	mhz := "cpu_MHz"
	if f == DeltaFamily {
		mhz = "cpu_mhz"
	}
	return Row{"board_serial", h.Serial, "cpu_name", h.CPU, "cpu_cores", h.Cores, mhz, h.MHz,
		"ram_total", h.Total, "ram_free", h.Free, "ram_usage", 100 - 100*h.Free/h.Total}
}
