package syscollector

// MaxColumns bounds the columns of a table.
const MaxColumns = 40

// Type is the type of a column in the invigil dialect.
type Type uint8

// The column types.
const (
	String Type = iota
	Integer
	Real
)

// String returns the type's name in the field reference: string, integer, real.
func (t Type) String() string { return [...]string{"string", "integer", "real"}[t] }

// Field is one column of one table. It is the only place where a column's
// names, type and marks are written.
type Field struct {
	Table    Table
	Number   uint8    // column number in stored rows; never reused or reordered
	Name     string   // name in rules: port.local_port
	Column   string   // wire name in dbsync and rsync messages, "" if never sent
	Scan     string   // wire name in scan messages, "" if never sent
	Aliases  []string // other wire names seen in 4.x messages; only typed rows take them
	Type     Type
	Key      bool // part of the wire's key: where a row is stored
	ScanKey  bool // part of the key in the scan family only
	Same     bool // part of what a user calls the same thing
	Volatile bool // changes all the time: never makes a row modified
	Scan4    bool // in scan messages decoded by the original from 4.x on

	// DeltaName is the name in the string view of a dbsync message where it
	// is not Name: the original gives both os_version and version the name
	// os.version.
	DeltaName string
	// ScanAfter names the field that this one follows in the string view of
	// a scan message, "" = the one before it in the table.
	ScanAfter string

	API     string // name in the inventory API, "" if it is never shown there
	APIText bool   // the API shows the number as a string
	Doc     string // one line: meaning, unit, examples of values

	form form
}

// form tells how the string view prints a value where the column's type does
// not say it.
type form uint8

const (
	formByType form = iota
	formReal        // six decimals in scan messages
	formList        // a JSON array in scan messages
	formPort        // in scan messages a number even when the value is none
	formProto       // 0 and 1 stand for ipv4 and ipv6 in dbsync messages
)

// fields is the field table: the columns of each table in the order in which
// the original decodes a dbsync message. New columns go where the original has
// them and take the next free number.
var fields = [NumTables][]Field{
	Hardware: {
		{Table: Hardware, Number: 0, Name: "hardware.serial", Column: "board_serial", Scan: "board_serial", API: "board_serial", Doc: "serial number of the board, \"unknown\" where unreadable"},
		{Table: Hardware, Number: 1, Name: "hardware.cpu_name", Column: "cpu_name", Scan: "cpu_name", API: "cpu.name", Doc: "processor model"},
		{Table: Hardware, Number: 2, Name: "hardware.cpu_cores", Column: "cpu_cores", Scan: "cpu_cores", Type: Integer, API: "cpu.cores", Doc: "number of processor cores"},
		{Table: Hardware, Number: 3, Name: "hardware.cpu_mhz", Column: "cpu_mhz", Scan: "cpu_MHz", Type: Real, API: "cpu.mhz", Doc: "processor frequency in MHz"},
		{Table: Hardware, Number: 4, Name: "hardware.ram_total", Column: "ram_total", Scan: "ram_total", Type: Integer, form: formReal, API: "ram.total", Doc: "memory installed, in kB"},
		{Table: Hardware, Number: 5, Name: "hardware.ram_free", Column: "ram_free", Scan: "ram_free", Type: Integer, Volatile: true, form: formReal, API: "ram.free", Doc: "memory free, in kB"},
		{Table: Hardware, Number: 6, Name: "hardware.ram_usage", Column: "ram_usage", Scan: "ram_usage", Type: Integer, Volatile: true, API: "ram.usage", Doc: "memory in use, in percent"},
	},
	OS: {
		{Table: OS, Number: 0, Name: "os.hostname", Column: "hostname", Scan: "hostname", API: "hostname", Doc: "host name"},
		{Table: OS, Number: 1, Name: "os.architecture", Column: "architecture", Scan: "architecture", API: "architecture", Doc: "processor architecture: x86_64, aarch64"},
		{Table: OS, Number: 2, Name: "os.name", Column: "os_name", Scan: "os_name", API: "os.name", Doc: "name of the operating system: Ubuntu, Microsoft Windows Server 2022"},
		{Table: OS, Number: 3, Name: "os.version", Column: "os_version", Scan: "os_version", API: "os.version", Doc: "version with its name: 22.04.4 LTS (Jammy Jellyfish)"},
		{Table: OS, Number: 4, Name: "os.codename", Column: "os_codename", Scan: "os_codename", API: "os.codename", Doc: "code name of the version"},
		{Table: OS, Number: 5, Name: "os.major", Column: "os_major", Scan: "os_major", API: "os.major", Doc: "major version, as text"},
		{Table: OS, Number: 6, Name: "os.minor", Column: "os_minor", Scan: "os_minor", API: "os.minor", Doc: "minor version, as text"},
		{Table: OS, Number: 7, Name: "os.patch", Column: "os_patch", Scan: "os_patch", Scan4: true, ScanAfter: "os.os_release", Doc: "patch level, as text"},
		{Table: OS, Number: 8, Name: "os.build", Column: "os_build", Scan: "os_build", API: "os.build", Doc: "build number, as text"},
		{Table: OS, Number: 9, Name: "os.platform", Column: "os_platform", Scan: "os_platform", API: "os.platform", Doc: "platform: ubuntu, centos, windows, darwin"},
		{Table: OS, Number: 10, Name: "os.sysname", Column: "sysname", Scan: "sysname", API: "sysname", Doc: "name of the kernel: Linux, Darwin"},
		{Table: OS, Number: 11, Name: "os.release", Column: "release", Scan: "release", API: "release", Doc: "kernel release: 5.15.0-101-generic"},
		{Table: OS, Number: 12, Name: "os.release_version", Column: "version", Scan: "version", DeltaName: "os.version", API: "version", Doc: "kernel version: #111-Ubuntu SMP"},
		{Table: OS, Number: 13, Name: "os.os_release", Column: "os_release", Scan: "os_release", Scan4: true, API: "os_release", Doc: "release of the operating system (Windows: 2009)"},
		{Table: OS, Number: 14, Name: "os.display_version", Column: "os_display_version", Scan: "os_display_version", Scan4: true, API: "os.display_version", Doc: "version shown to users (Windows: 22H2)"},
	},
	Hotfixes: {
		{Table: Hotfixes, Number: 0, Name: "hotfix", Column: "hotfix", Scan: "hotfix", Key: true, Same: true, API: "hotfix", Doc: "identifier of the Windows update: KB5035857"},
	},
	Packages: {
		{Table: Packages, Number: 0, Name: "program.format", Column: "format", Scan: "format", Key: true, Same: true, API: "format", Doc: "package format: deb, rpm, pkg, win, pypi, npm"},
		{Table: Packages, Number: 1, Name: "program.name", Column: "name", Scan: "name", Key: true, Same: true, API: "name", Doc: "package name"},
		{Table: Packages, Number: 2, Name: "program.priority", Column: "priority", Scan: "priority", API: "priority", Doc: "priority of the package"},
		{Table: Packages, Number: 3, Name: "program.section", Column: "groups", Scan: "group", Aliases: []string{"group"}, API: "section", Doc: "section or group of the package"},
		{Table: Packages, Number: 4, Name: "program.size", Column: "size", Scan: "size", Type: Integer, API: "size", Doc: "installed size, in kB"},
		{Table: Packages, Number: 5, Name: "program.vendor", Column: "vendor", Scan: "vendor", API: "vendor", Doc: "vendor or maintainer"},
		{Table: Packages, Number: 6, Name: "program.install_time", Column: "install_time", Scan: "install_time", API: "install_time", Doc: "time of installation, as the system tells it"},
		{Table: Packages, Number: 7, Name: "program.version", Column: "version", Scan: "version", Key: true, API: "version", Doc: "package version"},
		{Table: Packages, Number: 8, Name: "program.architecture", Column: "architecture", Scan: "architecture", Key: true, Same: true, API: "architecture", Doc: "architecture that it was built for"},
		{Table: Packages, Number: 9, Name: "program.multiarch", Column: "multiarch", Scan: "multi-arch", API: "multiarch", Doc: "multi-architecture support: same, foreign, allowed, no"},
		{Table: Packages, Number: 10, Name: "program.source", Column: "source", Scan: "source", API: "source", Doc: "source package"},
		{Table: Packages, Number: 11, Name: "program.description", Column: "description", Scan: "description", API: "description", Doc: "one line that describes it"},
		{Table: Packages, Number: 12, Name: "program.location", Column: "location", Scan: "location", Key: true, Same: true, API: "location", Doc: "where it is installed"},
	},
	Processes: {
		{Table: Processes, Number: 0, Name: "process.pid", Column: "pid", Scan: "pid", Type: Integer, Key: true, APIText: true, API: "pid", Doc: "process id"},
		{Table: Processes, Number: 1, Name: "process.name", Column: "name", Scan: "name", Same: true, API: "name", Doc: "name of the process"},
		{Table: Processes, Number: 2, Name: "process.state", Column: "state", Scan: "state", Volatile: true, API: "state", Doc: "scheduler state: R, S, D, Z, T"},
		{Table: Processes, Number: 3, Name: "process.ppid", Column: "ppid", Scan: "ppid", Type: Integer, API: "ppid", Doc: "process id of the parent"},
		{Table: Processes, Number: 4, Name: "process.utime", Column: "utime", Scan: "utime", Type: Integer, Volatile: true, API: "utime", Doc: "time spent in user code"},
		{Table: Processes, Number: 5, Name: "process.stime", Column: "stime", Scan: "stime", Type: Integer, Volatile: true, API: "stime", Doc: "time spent in system code"},
		{Table: Processes, Number: 6, Name: "process.cmd", Column: "cmd", Scan: "cmd", Same: true, API: "cmd", Doc: "command executed"},
		{Table: Processes, Number: 7, Name: "process.args", Column: "argvs", Scan: "argvs", Same: true, form: formList, API: "argvs", Doc: "arguments of the command, commas or blanks between them"},
		{Table: Processes, Number: 8, Name: "process.euser", Column: "euser", Scan: "euser", Same: true, API: "euser", Doc: "effective user"},
		{Table: Processes, Number: 9, Name: "process.ruser", Column: "ruser", Scan: "ruser", API: "ruser", Doc: "real user"},
		{Table: Processes, Number: 10, Name: "process.suser", Column: "suser", Scan: "suser", API: "suser", Doc: "saved-set user"},
		{Table: Processes, Number: 11, Name: "process.egroup", Column: "egroup", Scan: "egroup", API: "egroup", Doc: "effective group"},
		{Table: Processes, Number: 12, Name: "process.rgroup", Column: "rgroup", Scan: "rgroup", API: "rgroup", Doc: "real group"},
		{Table: Processes, Number: 13, Name: "process.sgroup", Column: "sgroup", Scan: "sgroup", API: "sgroup", Doc: "saved-set group"},
		{Table: Processes, Number: 14, Name: "process.fgroup", Column: "fgroup", Scan: "fgroup", API: "fgroup", Doc: "file system group"},
		{Table: Processes, Number: 15, Name: "process.priority", Column: "priority", Scan: "priority", Type: Integer, API: "priority", Doc: "scheduling priority of the kernel"},
		{Table: Processes, Number: 16, Name: "process.nice", Column: "nice", Scan: "nice", Type: Integer, API: "nice", Doc: "nice value"},
		{Table: Processes, Number: 17, Name: "process.size", Column: "size", Scan: "size", Type: Integer, Volatile: true, API: "size", Doc: "size of the process, in pages"},
		{Table: Processes, Number: 18, Name: "process.vm_size", Column: "vm_size", Scan: "vm_size", Type: Integer, Volatile: true, API: "vm_size", Doc: "virtual memory, in kB"},
		{Table: Processes, Number: 19, Name: "process.resident", Column: "resident", Scan: "resident", Type: Integer, Volatile: true, API: "resident", Doc: "resident memory, in pages"},
		{Table: Processes, Number: 20, Name: "process.share", Column: "share", Scan: "share", Type: Integer, Volatile: true, API: "share", Doc: "shared memory, in pages"},
		{Table: Processes, Number: 21, Name: "process.start_time", Column: "start_time", Scan: "start_time", Type: Integer, API: "start_time", Doc: "start: epoch seconds, clock ticks since boot from 3.x agents"},
		{Table: Processes, Number: 22, Name: "process.pgrp", Column: "pgrp", Scan: "pgrp", Type: Integer, API: "pgrp", Doc: "process group"},
		{Table: Processes, Number: 23, Name: "process.session", Column: "session", Scan: "session", Type: Integer, API: "session", Doc: "session id"},
		{Table: Processes, Number: 24, Name: "process.nlwp", Column: "nlwp", Scan: "nlwp", Type: Integer, Volatile: true, API: "nlwp", Doc: "number of threads"},
		{Table: Processes, Number: 25, Name: "process.tgid", Column: "tgid", Scan: "tgid", Type: Integer, API: "tgid", Doc: "thread group id"},
		{Table: Processes, Number: 26, Name: "process.tty", Column: "tty", Scan: "tty", Type: Integer, API: "tty", Doc: "number of the controlling terminal"},
		{Table: Processes, Number: 27, Name: "process.processor", Column: "processor", Scan: "processor", Type: Integer, Volatile: true, API: "processor", Doc: "processor that it last ran on"},
	},
	Ports: {
		{Table: Ports, Number: 0, Name: "port.protocol", Column: "protocol", Scan: "protocol", Key: true, Same: true, API: "protocol", Doc: "tcp, udp, tcp6, udp6"},
		{Table: Ports, Number: 1, Name: "port.local_ip", Column: "local_ip", Scan: "local_ip", Key: true, Same: true, API: "local.ip", Doc: "local address"},
		{Table: Ports, Number: 2, Name: "port.local_port", Column: "local_port", Scan: "local_port", Type: Integer, Key: true, Same: true, form: formPort, API: "local.port", Doc: "local port"},
		{Table: Ports, Number: 3, Name: "port.remote_ip", Column: "remote_ip", Scan: "remote_ip", ScanKey: true, Same: true, API: "remote.ip", Doc: "remote address"},
		{Table: Ports, Number: 4, Name: "port.remote_port", Column: "remote_port", Scan: "remote_port", Type: Integer, ScanKey: true, Same: true, API: "remote.port", Doc: "remote port"},
		{Table: Ports, Number: 5, Name: "port.tx_queue", Column: "tx_queue", Scan: "tx_queue", Type: Integer, Volatile: true, API: "tx_queue", Doc: "bytes waiting to be sent"},
		{Table: Ports, Number: 6, Name: "port.rx_queue", Column: "rx_queue", Scan: "rx_queue", Type: Integer, Volatile: true, API: "rx_queue", Doc: "bytes waiting to be read"},
		{Table: Ports, Number: 7, Name: "port.inode", Column: "inode", Scan: "inode", Type: Integer, Key: true, API: "inode", Doc: "inode of the socket, 0 on some platforms"},
		{Table: Ports, Number: 8, Name: "port.state", Column: "state", Scan: "state", API: "state", Doc: "state of a TCP socket: listening, established, time_wait"},
		{Table: Ports, Number: 9, Name: "port.pid", Column: "pid", Scan: "PID", Type: Integer, API: "pid", Doc: "process id of the owner"},
		{Table: Ports, Number: 10, Name: "port.process", Column: "process", Scan: "process", Aliases: []string{"process_name"}, API: "process", Doc: "name of the owner"},
	},
	Netiface: {
		{Table: Netiface, Number: 0, Name: "netinfo.iface.name", Column: "name", Scan: "name", Key: true, Same: true, API: "name", Doc: "interface name"},
		{Table: Netiface, Number: 1, Name: "netinfo.iface.adapter", Column: "adapter", Scan: "adapter", Key: true, API: "adapter", Doc: "name of the adapter (Windows)"},
		{Table: Netiface, Number: 2, Name: "netinfo.iface.type", Column: "type", Scan: "type", Key: true, API: "type", Doc: "ethernet, loopback, wireless"},
		{Table: Netiface, Number: 3, Name: "netinfo.iface.state", Column: "state", Scan: "state", API: "state", Doc: "up, down, unknown"},
		{Table: Netiface, Number: 4, Name: "netinfo.iface.mtu", Column: "mtu", Scan: "MTU", Type: Integer, API: "mtu", Doc: "maximum transmission unit, in bytes"},
		{Table: Netiface, Number: 5, Name: "netinfo.iface.mac", Column: "mac", Scan: "MAC", API: "mac", Doc: "hardware address"},
		{Table: Netiface, Number: 6, Name: "netinfo.iface.tx_packets", Column: "tx_packets", Scan: "tx_packets", Type: Integer, Volatile: true, API: "tx.packets", Doc: "packets sent"},
		{Table: Netiface, Number: 7, Name: "netinfo.iface.rx_packets", Column: "rx_packets", Scan: "rx_packets", Type: Integer, Volatile: true, API: "rx.packets", Doc: "packets received"},
		{Table: Netiface, Number: 8, Name: "netinfo.iface.tx_bytes", Column: "tx_bytes", Scan: "tx_bytes", Type: Integer, Volatile: true, API: "tx.bytes", Doc: "bytes sent"},
		{Table: Netiface, Number: 9, Name: "netinfo.iface.rx_bytes", Column: "rx_bytes", Scan: "rx_bytes", Type: Integer, Volatile: true, API: "rx.bytes", Doc: "bytes received"},
		{Table: Netiface, Number: 10, Name: "netinfo.iface.tx_errors", Column: "tx_errors", Scan: "tx_errors", Type: Integer, Volatile: true, API: "tx.errors", Doc: "errors while sending"},
		{Table: Netiface, Number: 11, Name: "netinfo.iface.rx_errors", Column: "rx_errors", Scan: "rx_errors", Type: Integer, Volatile: true, API: "rx.errors", Doc: "errors while receiving"},
		{Table: Netiface, Number: 12, Name: "netinfo.iface.tx_dropped", Column: "tx_dropped", Scan: "tx_dropped", Type: Integer, Volatile: true, API: "tx.dropped", Doc: "packets dropped while sending"},
		{Table: Netiface, Number: 13, Name: "netinfo.iface.rx_dropped", Column: "rx_dropped", Scan: "rx_dropped", Type: Integer, Volatile: true, API: "rx.dropped", Doc: "packets dropped while receiving"},
	},
	Netproto: {
		{Table: Netproto, Number: 0, Name: "netinfo.proto.iface", Column: "iface", Key: true, Same: true, API: "iface", Doc: "interface name"},
		{Table: Netproto, Number: 1, Name: "netinfo.proto.type", Column: "type", Key: true, Same: true, API: "type", Doc: "ipv4 or ipv6"},
		{Table: Netproto, Number: 2, Name: "netinfo.proto.gateway", Column: "gateway", Scan: "gateway", API: "gateway", Doc: "default gateway, \"unknown\" where there is none"},
		{Table: Netproto, Number: 3, Name: "netinfo.proto.dhcp", Column: "dhcp", Scan: "DHCP", API: "dhcp", Doc: "enabled, disabled, unknown, BOOTP"},
		{Table: Netproto, Number: 4, Name: "netinfo.proto.metric", Column: "metric", Scan: "metric", Type: Integer, Doc: "metric of the route"},
	},
	Netaddr: {
		{Table: Netaddr, Number: 0, Name: "netinfo.addr.iface", Column: "iface", Key: true, Same: true, API: "iface", Doc: "interface name"},
		{Table: Netaddr, Number: 1, Name: "netinfo.addr.proto", Column: "proto", Key: true, Same: true, form: formProto, API: "proto", Doc: "ipv4 or ipv6"},
		{Table: Netaddr, Number: 2, Name: "netinfo.addr.address", Column: "address", Scan: "address", Key: true, Same: true, form: formList, API: "address", Doc: "address"},
		{Table: Netaddr, Number: 3, Name: "netinfo.addr.netmask", Column: "netmask", Scan: "netmask", form: formList, API: "netmask", Doc: "network mask"},
		{Table: Netaddr, Number: 4, Name: "netinfo.addr.broadcast", Column: "broadcast", Scan: "broadcast", form: formList, API: "broadcast", Doc: "broadcast address"},
	},
	Users: {
		{Table: Users, Number: 0, Name: "user.user_name", Column: "user_name", Key: true, Same: true, API: "user.name", Doc: "login name"},
		{Table: Users, Number: 1, Name: "user.user_full_name", Column: "user_full_name", API: "user.full_name", Doc: "full name or comment"},
		{Table: Users, Number: 2, Name: "user.user_home", Column: "user_home", API: "user.home", Doc: "home directory"},
		{Table: Users, Number: 3, Name: "user.user_id", Column: "user_id", Type: Integer, API: "user.id", Doc: "user id"},
		{Table: Users, Number: 4, Name: "user.user_uid_signed", Column: "user_uid_signed", Type: Integer, API: "user.uid_signed", Doc: "user id as a signed number"},
		{Table: Users, Number: 5, Name: "user.user_uuid", Column: "user_uuid", API: "user.uuid", Doc: "UUID (macOS) or SID (Windows)"},
		{Table: Users, Number: 6, Name: "user.user_groups", Column: "user_groups", API: "user.groups", Doc: "names of its groups, commas between them"},
		{Table: Users, Number: 7, Name: "user.user_group_id", Column: "user_group_id", Type: Integer, API: "user.group_id", Doc: "id of the primary group"},
		{Table: Users, Number: 8, Name: "user.user_group_id_signed", Column: "user_group_id_signed", Type: Integer, API: "user.group_id_signed", Doc: "id of the primary group as a signed number"},
		{Table: Users, Number: 9, Name: "user.user_created", Column: "user_created", Type: Real, API: "user.created", Doc: "creation, epoch seconds"},
		{Table: Users, Number: 10, Name: "user.user_roles", Column: "user_roles", API: "user.roles", Doc: "roles: sudo"},
		{Table: Users, Number: 11, Name: "user.user_shell", Column: "user_shell", API: "user.shell", Doc: "login shell"},
		{Table: Users, Number: 12, Name: "user.user_type", Column: "user_type", API: "user.type", Doc: "local, roaming or special (Windows)"},
		{Table: Users, Number: 13, Name: "user.user_is_hidden", Column: "user_is_hidden", Type: Integer, API: "user.is_hidden", Doc: "1 if hidden (macOS)"},
		{Table: Users, Number: 14, Name: "user.user_is_remote", Column: "user_is_remote", Type: Integer, API: "user.is_remote", Doc: "1 if the account is remote"},
		{Table: Users, Number: 15, Name: "user.user_last_login", Column: "user_last_login", Type: Integer, Volatile: true, API: "user.last_login", Doc: "last login, epoch seconds"},
		{Table: Users, Number: 16, Name: "user.user_auth_failed_count", Column: "user_auth_failed_count", Type: Integer, API: "user.auth_failed_count", Doc: "failed authentications"},
		{Table: Users, Number: 17, Name: "user.user_auth_failed_timestamp", Column: "user_auth_failed_timestamp", Type: Real, API: "user.auth_failed_timestamp", Doc: "last failed authentication, epoch seconds"},
		{Table: Users, Number: 18, Name: "user.user_password_last_change", Column: "user_password_last_change", Type: Real, API: "user.password_last_change", Doc: "last change of the password, epoch seconds"},
		{Table: Users, Number: 19, Name: "user.user_password_expiration_date", Column: "user_password_expiration_date", Type: Integer, API: "user.password_expiration_date", Doc: "expiry of the password, epoch seconds"},
		{Table: Users, Number: 20, Name: "user.user_password_hash_algorithm", Column: "user_password_hash_algorithm", API: "user.password_hash_algorithm", Doc: "algorithm of the password's hash"},
		{Table: Users, Number: 21, Name: "user.user_password_inactive_days", Column: "user_password_inactive_days", Type: Integer, API: "user.password_inactive_days", Doc: "days from expiry to deactivation"},
		{Table: Users, Number: 22, Name: "user.user_password_max_days_between_changes", Column: "user_password_max_days_between_changes", Type: Integer, API: "user.password_max_days_between_changes", Doc: "days until the password must change"},
		{Table: Users, Number: 23, Name: "user.user_password_min_days_between_changes", Column: "user_password_min_days_between_changes", Type: Integer, API: "user.password_min_days_between_changes", Doc: "days until the password may change"},
		{Table: Users, Number: 24, Name: "user.user_password_status", Column: "user_password_status", API: "user.password_status", Doc: "active, locked, empty, not_set"},
		{Table: Users, Number: 25, Name: "user.user_password_warning_days_before_expiration", Column: "user_password_warning_days_before_expiration", Type: Integer, API: "user.password_warning_days_before_expiration", Doc: "days of warning before expiry"},
		{Table: Users, Number: 26, Name: "user.process_pid", Column: "process_pid", Type: Integer, Volatile: true, API: "process_pid", Doc: "process id of the login"},
		{Table: Users, Number: 27, Name: "user.host_ip", Column: "host_ip", Volatile: true, API: "host_ip", Doc: "address that it is logged in from"},
		{Table: Users, Number: 28, Name: "user.login_status", Column: "login_status", Type: Integer, Volatile: true, API: "login.status", Doc: "1 if logged in"},
		{Table: Users, Number: 29, Name: "user.login_tty", Column: "login_tty", Volatile: true, API: "login.tty", Doc: "terminal of the login"},
		{Table: Users, Number: 30, Name: "user.login_type", Column: "login_type", Volatile: true, API: "login.type", Doc: "kind of login: user, dead, active"},
	},
	Groups: {
		{Table: Groups, Number: 0, Name: "group.group_id", Column: "group_id", Type: Integer, API: "group.id", Doc: "group id"},
		{Table: Groups, Number: 1, Name: "group.group_name", Column: "group_name", Key: true, Same: true, API: "group.name", Doc: "group name"},
		{Table: Groups, Number: 2, Name: "group.group_description", Column: "group_description", API: "group.description", Doc: "description"},
		{Table: Groups, Number: 3, Name: "group.group_id_signed", Column: "group_id_signed", Type: Integer, API: "group.id_signed", Doc: "group id as a signed number"},
		{Table: Groups, Number: 4, Name: "group.group_uuid", Column: "group_uuid", API: "group.uuid", Doc: "UUID (macOS) or SID (Windows)"},
		{Table: Groups, Number: 5, Name: "group.group_is_hidden", Column: "group_is_hidden", Type: Integer, API: "group.is_hidden", Doc: "1 if hidden (macOS)"},
		{Table: Groups, Number: 6, Name: "group.group_users", Column: "group_users", API: "group.users", Doc: "names of its members, commas between them"},
	},
	Services: {
		{Table: Services, Number: 0, Name: "service.service_id", Column: "service_id", Key: true, Same: true, API: "service.id", Doc: "identifier: ssh.service"},
		{Table: Services, Number: 1, Name: "service.service_name", Column: "service_name", API: "service.name", Doc: "name"},
		{Table: Services, Number: 2, Name: "service.service_description", Column: "service_description", API: "service.description", Doc: "description"},
		{Table: Services, Number: 3, Name: "service.service_type", Column: "service_type", API: "service.type", Doc: "type: OWN_PROCESS (Windows)"},
		{Table: Services, Number: 4, Name: "service.service_state", Column: "service_state", API: "service.state", Doc: "active, inactive, failed, RUNNING, STOPPED"},
		{Table: Services, Number: 5, Name: "service.service_sub_state", Column: "service_sub_state", API: "service.sub_state", Doc: "state below it: running, exited, dead"},
		{Table: Services, Number: 6, Name: "service.service_enabled", Column: "service_enabled", API: "service.enabled", Doc: "enabled, disabled, static, masked"},
		{Table: Services, Number: 7, Name: "service.service_start_type", Column: "service_start_type", API: "service.start_type", Doc: "how it is started: enabled, AUTO_START"},
		{Table: Services, Number: 8, Name: "service.service_restart", Column: "service_restart", API: "service.restart", Doc: "when it is restarted"},
		{Table: Services, Number: 9, Name: "service.service_frequency", Column: "service_frequency", Type: Integer, API: "service.frequency", Doc: "seconds between runs (macOS)"},
		{Table: Services, Number: 10, Name: "service.service_starts_on_mount", Column: "service_starts_on_mount", Type: Integer, API: "service.starts_on_mount", Doc: "1 if started on each mount (macOS)"},
		{Table: Services, Number: 11, Name: "service.service_starts_on_path_modified", Column: "service_starts_on_path_modified", API: "service.starts_on_path_modified", Doc: "paths whose change starts it (macOS)"},
		{Table: Services, Number: 12, Name: "service.service_starts_on_not_empty_directory", Column: "service_starts_on_not_empty_directory", API: "service.starts_on_not_empty_directory", Doc: "directories that start it when not empty (macOS)"},
		{Table: Services, Number: 13, Name: "service.service_inetd_compatibility", Column: "service_inetd_compatibility", Type: Integer, API: "service.inetd_compatibility", Doc: "1 if started as by inetd (macOS)"},
		{Table: Services, Number: 14, Name: "service.process_pid", Column: "process_pid", Type: Integer, API: "process.pid", Doc: "process id"},
		{Table: Services, Number: 15, Name: "service.process_executable", Column: "process_executable", API: "process.executable", Doc: "program that it runs"},
		{Table: Services, Number: 16, Name: "service.process_args", Column: "process_args", API: "process.args", Doc: "arguments of the program"},
		{Table: Services, Number: 17, Name: "service.process_user_name", Column: "process_user_name", API: "process.user_name", Doc: "user that it runs as"},
		{Table: Services, Number: 18, Name: "service.process_group_name", Column: "process_group_name", API: "process.group_name", Doc: "group that it runs as"},
		{Table: Services, Number: 19, Name: "service.process_working_directory", Column: "process_working_directory", Aliases: []string{"process_working_dir"}, API: "process.working_directory", Doc: "working directory"},
		{Table: Services, Number: 20, Name: "service.process_root_directory", Column: "process_root_directory", Aliases: []string{"process_root_dir"}, API: "process.root_directory", Doc: "root directory"},
		{Table: Services, Number: 21, Name: "service.file_path", Column: "file_path", Key: true, API: "file.path", Doc: "file that defines it"},
		{Table: Services, Number: 22, Name: "service.service_address", Column: "service_address", API: "service.address", Doc: "address of the service"},
		{Table: Services, Number: 23, Name: "service.log_file_path", Column: "log_file_path", API: "log_file.path", Doc: "file that its output goes to"},
		{Table: Services, Number: 24, Name: "service.error_log_file_path", Column: "error_log_file_path", API: "error_log_file.path", Doc: "file that its errors go to"},
		{Table: Services, Number: 25, Name: "service.service_exit_code", Column: "service_exit_code", Type: Integer, API: "service.exit_code", Doc: "last exit code"},
		{Table: Services, Number: 26, Name: "service.service_win32_exit_code", Column: "service_win32_exit_code", Type: Integer, API: "service.win32_exit_code", Doc: "last exit code of Windows"},
		{Table: Services, Number: 27, Name: "service.service_following", Column: "service_following", API: "service.following", Doc: "unit that it follows"},
		{Table: Services, Number: 28, Name: "service.service_object_path", Column: "service_object_path", API: "service.object_path", Doc: "path of its D-Bus object"},
		{Table: Services, Number: 29, Name: "service.service_target_ephemeral_id", Column: "service_target_ephemeral_id", Type: Integer, API: "service.target_ephemeral_id", Doc: "id of its pending job"},
		{Table: Services, Number: 30, Name: "service.service_target_type", Column: "service_target_type", API: "service.target_type", Doc: "kind of its pending job"},
		{Table: Services, Number: 31, Name: "service.service_target_address", Column: "service_target_address", API: "service.target_address", Doc: "D-Bus path of its pending job"},
	},
	BrowserExtensions: {
		{Table: BrowserExtensions, Number: 0, Name: "browser_extension.browser_name", Column: "browser_name", Key: true, Same: true, API: "browser.name", Doc: "browser: chrome, firefox, safari"},
		{Table: BrowserExtensions, Number: 1, Name: "browser_extension.user_id", Column: "user_id", Key: true, Same: true, API: "user.id", Doc: "user that owns the profile, as text"},
		{Table: BrowserExtensions, Number: 2, Name: "browser_extension.package_name", Column: "package_name", Key: true, Same: true, API: "package.name", Doc: "name of the extension"},
		{Table: BrowserExtensions, Number: 3, Name: "browser_extension.package_id", Column: "package_id", API: "package.id", Doc: "identifier of the extension"},
		{Table: BrowserExtensions, Number: 4, Name: "browser_extension.package_version", Column: "package_version", Key: true, API: "package.version", Doc: "version"},
		{Table: BrowserExtensions, Number: 5, Name: "browser_extension.package_description", Column: "package_description", API: "package.description", Doc: "description"},
		{Table: BrowserExtensions, Number: 6, Name: "browser_extension.package_vendor", Column: "package_vendor", API: "package.vendor", Doc: "author or vendor"},
		{Table: BrowserExtensions, Number: 7, Name: "browser_extension.package_build_version", Column: "package_build_version", API: "package.build_version", Doc: "build version (Safari)"},
		{Table: BrowserExtensions, Number: 8, Name: "browser_extension.package_path", Column: "package_path", API: "package.path", Doc: "directory of the extension"},
		{Table: BrowserExtensions, Number: 9, Name: "browser_extension.browser_profile_name", Column: "browser_profile_name", API: "browser.profile_name", Doc: "name of the profile"},
		{Table: BrowserExtensions, Number: 10, Name: "browser_extension.browser_profile_path", Column: "browser_profile_path", Key: true, Same: true, API: "browser.profile_path", Doc: "directory of the profile"},
		{Table: BrowserExtensions, Number: 11, Name: "browser_extension.package_reference", Column: "package_reference", API: "package.reference", Doc: "address of its updates or source"},
		{Table: BrowserExtensions, Number: 12, Name: "browser_extension.package_permissions", Column: "package_permissions", API: "package.permissions", Doc: "permissions that it asks for"},
		{Table: BrowserExtensions, Number: 13, Name: "browser_extension.package_type", Column: "package_type", API: "package.type", Doc: "extension, theme, webapp"},
		{Table: BrowserExtensions, Number: 14, Name: "browser_extension.package_enabled", Column: "package_enabled", Type: Integer, API: "package.enabled", Doc: "1 if enabled"},
		{Table: BrowserExtensions, Number: 15, Name: "browser_extension.package_visible", Column: "package_visible", Type: Integer, API: "package.visible", Doc: "1 if shown in the toolbar"},
		{Table: BrowserExtensions, Number: 16, Name: "browser_extension.package_autoupdate", Column: "package_autoupdate", Type: Integer, API: "package.autoupdate", Doc: "1 if it updates itself"},
		{Table: BrowserExtensions, Number: 17, Name: "browser_extension.package_persistent", Column: "package_persistent", Type: Integer, API: "package.persistent", Doc: "1 if it persists across tabs"},
		{Table: BrowserExtensions, Number: 18, Name: "browser_extension.package_from_webstore", Column: "package_from_webstore", Type: Integer, API: "package.from_webstore", Doc: "1 if it came from the web store"},
		{Table: BrowserExtensions, Number: 19, Name: "browser_extension.browser_profile_referenced", Column: "browser_profile_referenced", Type: Integer, API: "browser.profile_referenced", Doc: "1 if the profile's preferences refer to it"},
		{Table: BrowserExtensions, Number: 20, Name: "browser_extension.package_installed", Column: "package_installed", API: "package.installed", Doc: "time of installation, as the browser tells it"},
		{Table: BrowserExtensions, Number: 21, Name: "browser_extension.file_hash_sha256", Column: "file_hash_sha256", API: "file_hash.sha256", Doc: "SHA-256 of its manifest"},
	},
}

// Fields returns the table's columns in the order of the original's decoding.
// The slice is shared: it must not be changed.
func Fields(t Table) []Field {
	if t >= NumTables {
		return nil
	}
	return fields[t]
}

// ByName returns the column of that name in rules.
func ByName(name string) (Field, bool) {
	f, ok := lookups().names[name]
	if !ok {
		return Field{}, false
	}
	return *f, true
}

// Column returns the column of that number, nil if the table has none.
func (t Table) Column(n uint8) *Field {
	if t >= NumTables || n >= MaxColumns {
		return nil
	}
	return lookups().columns[t][n]
}

// Masks are sets of columns of one table, a bit a column number.
type Masks struct {
	All      uint64
	Key      uint64 // the wire's key
	ScanKey  uint64 // added to the key in the scan family
	Same     uint64 // what a user calls the same thing
	Volatile uint64
	Text     uint64 // columns of type String
}

// Masks returns the table's column sets.
func (t Table) Masks() Masks {
	if t >= NumTables {
		return Masks{}
	}
	return lookups().masks[t]
}
