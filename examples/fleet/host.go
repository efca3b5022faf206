package fleet

import "fmt"

// Host makes up one agent's inventory. Everything follows from its number.
type Host struct {
	Agent
	Family Family
	n      int
}

// roles name hosts and what runs on them.
var roles = []struct {
	name     string
	program  string
	port     int
	platform string
}{
	{"web", "nginx", 443, "ubuntu"},
	{"db", "postgres", 5432, "debian"},
	{"build", "dockerd", 2375, "ubuntu"},
	{"mail", "postfix", 25, "centos"},
	{"desk", "svchost.exe", 3389, "windows"},
}

var platforms = map[string]System{
	"ubuntu": {Name: "Ubuntu", Version: "18.04.2 LTS (Bionic Beaver)", Major: "18", Minor: "04", Codename: "Bionic Beaver",
		Platform: "ubuntu", Sysname: "Linux", Release: "4.15.0-51-generic"},
	"debian": {Name: "Debian GNU/Linux", Version: "12 (bookworm)", Major: "12", Minor: "5", Codename: "bookworm",
		Platform: "debian", Sysname: "Linux", Release: "6.1.0-18-amd64"},
	"centos": {Name: "CentOS Linux", Version: "7.9", Major: "7", Minor: "9", Codename: "Core",
		Platform: "centos", Sysname: "Linux", Release: "3.10.0-1160.el7.x86_64"},
	"windows": {Name: "Microsoft Windows 10 Pro", Version: "10.0.19045", Major: "10", Minor: "0", Codename: "22H2",
		Platform: "windows", Sysname: "Windows", Release: "22H2"},
}

var software = []string{"openssl", "bash", "curl", "python3", "sudo", "openssh-server", "tzdata", "ca-certificates",
	"zlib1g", "libc6", "systemd", "perl", "git", "vim", "rsync", "gnupg", "netcat-openbsd", "nmap", "tcpdump", "docker.io"}

// NewHost returns host n, counted from 1: its id is n, and two of five hosts
// are of the delta family.
func NewHost(n int) *Host {
	role := roles[n%len(roles)]
	h := &Host{n: n, Agent: Agent{
		ID:   fmt.Sprintf("%03d", n),
		Name: fmt.Sprintf("%s-%02d", role.name, n),
		IP:   fmt.Sprintf("10.%d.%d.%d", 20+n>>16, n>>8&255, n&255),
	}}
	if n%5 == 1 || n%5 == 3 {
		h.Family = DeltaFamily
	}
	return h
}

func (h *Host) role() (name, program string, port int, platform string) {
	r := roles[h.n%len(roles)]
	return r.name, r.program, r.port, r.platform
}

// System returns the host's operating system.
func (h *Host) System() System {
	_, _, _, platform := h.role()
	s := platforms[platform]
	s.Hostname = h.Name
	return s
}

// Hardware returns the host's hardware with that many kB of memory free.
func (h *Host) Hardware(free int) Hardware {
	return Hardware{Serial: fmt.Sprintf("VMware-42 %04x", h.n), CPU: "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz",
		Cores: 2 << (h.n % 3), MHz: 2394.5, Total: 8148020, Free: free}
}

// Port returns the host's i-th socket: the first two listen, the others are
// connections of the host's service from within its network.
func (h *Host) Port(i int) Port {
	_, program, port, _ := h.role()
	p := Port{Protocol: "tcp", LocalIP: "0.0.0.0", LocalPort: 22, RemoteIP: "0.0.0.0", Inode: 20000 + 100*h.n + i,
		State: "listening", PID: 900 + i, Process: "sshd"}
	if i > 0 {
		p.LocalPort, p.Process = port, program
	}
	if i > 1 {
		p.LocalIP, p.State = h.IP, "established"
		p.RemoteIP, p.RemotePort = fmt.Sprintf("10.0.%d.%d", i>>8&255, i&255), 40000+i
	}
	return p
}

// Package returns the host's i-th package.
func (h *Host) Package(i int) Package {
	_, _, _, platform := h.role()
	p := Package{Format: "deb", Name: software[i%len(software)], Version: fmt.Sprintf("%d.%d.%d-1", 1+i%4, (h.n+i)%10, i%7),
		Architecture: "amd64", Vendor: "Ubuntu Developers", Section: "utils", Size: 100 + 37*i}
	switch platform {
	case "centos":
		p.Format, p.Architecture, p.Vendor = "rpm", "x86_64", "CentOS"
	case "windows":
		p.Format, p.Architecture, p.Vendor = "win", "x86_64", "Example Corp."
	}
	if i >= len(software) {
		p.Name = fmt.Sprintf("lib%s%d", p.Name, i/len(software))
	}
	return p
}

// Process returns the host's i-th process.
func (h *Host) Process(i int) Process {
	_, program, _, _ := h.role()
	p := Process{PID: 900 + i, PPID: 1, Name: program, Args: []string{"--worker", fmt.Sprint(i)}, User: program}
	if i == 0 {
		p.Name, p.Args, p.User = "sshd", []string{"-D"}, "root"
	}
	return p
}

// Interface returns the host's i-th interface: eth0, then docker0, docker1 …,
// which are down.
func (h *Host) Interface(i int) Interface {
	if i == 0 {
		return Interface{Name: "eth0", State: "up", MAC: fmt.Sprintf("52:54:00:00:%02x:%02x", h.n>>8&255, h.n&255),
			Address: h.IP, Gateway: networkOf(h.IP) + ".1"}
	}
	return Interface{Name: fmt.Sprintf("docker%d", i-1), State: "down", MAC: fmt.Sprintf("02:42:00:%02x:%02x:%02x", i, h.n>>8&255, h.n&255),
		Gateway: "unknown"}
}
