package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// guestTemp is a guest's own, kept in memory and small, and so is its folder of
// sockets, which is a part of it.
const (
	guestTemp  = "/tmp"
	guestBytes = 64 << 20
	guestFiles = 4096
)

// systemPaths are what programs of this system need to run at all: libraries,
// interpreters, certificates, zones. None holds a secret: of the folders that
// have private keys beside certificates, the certificates alone.
func systemPaths(network bool) []string {
	paths := []string{
		"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store",
		"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path",
		"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem",
		"/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/localtime", "/etc/alternatives",
		"/etc/mime.types", "/etc/nsswitch.conf", "/etc/protocols", "/etc/services",
	}
	if network {
		paths = append(paths, "/etc/resolv.conf", "/etc/hosts", "/etc/gai.conf", "/etc/host.conf")
	}
	return paths
}

// devices are without /dev/zero: mapped and shared, it is memory that is counted
// nowhere, and nothing needs it.
var devices = []string{"/dev/null", "/dev/full", "/dev/random", "/dev/urandom"}

// enter furnishes the namespaces that this process was started in.
func enter(o order) error {
	if err := build(o); err != nil {
		return err
	}
	if o.Policy.Open {
		return nil
	}
	return openNetwork(o.Listens)
}

// build makes a root directory that has nothing in it but what the policy
// names, and makes it this process's.
func build(o order) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts: %w", err)
	}
	root := o.Policy.Scratch
	if err := unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=0755"); err != nil {
		return fmt.Errorf("mount %s: %w", root, err)
	}
	b := builder{root: root, uid: cmp.Or(o.UID, os.Getuid())}
	b.furnish() // first: folders of temporary files hold others that are shown
	for _, p := range append(systemPaths(o.Policy.Open), append(slices.Clone(o.Policy.ReadOnly), o.Path)...) {
		b.bind(p, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	}
	for _, p := range devices {
		b.bind(p, unix.MOUNT_ATTR_NOSUID)
	}
	for _, p := range o.Policy.ReadWrite {
		if o.UID != 0 {
			b.keep(os.Chown(p, o.UID, o.UID))
		}
		b.bind(p, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	}
	b.sockets(o)
	b.identify()
	if b.err != nil {
		return b.err
	}
	return b.move()
}

// builder remembers the first thing that went wrong.
type builder struct {
	root string
	uid  int
	err  error
}

func (b *builder) keep(err error) {
	if b.err == nil {
		b.err = err
	}
}

// bind shows path in the new root, where it is in the old. One that does not
// exist is left out; one that is a link is a link there, to the same place.
func (b *builder) bind(path string, attr uint64) {
	if path == "" || b.err != nil {
		return
	}
	at, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	b.keep(err)
	if b.err == nil {
		b.keep(b.show(at, attr))
	}
	if to := b.root + path; at != path && b.err == nil && !exists(to) {
		b.keep(os.MkdirAll(filepath.Dir(to), 0o755)) //nolint:gosec // guests are other users
		b.keep(os.Symlink(at, to))
	}
}

func (b *builder) show(path string, attr uint64) error {
	to := b.root + path
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if there, err := os.Stat(to); err == nil && os.SameFile(info, there) && attr&unix.MOUNT_ATTR_RDONLY != 0 {
		return nil // inside one that was shown before
	}
	if err := place(to, info.IsDir()); err != nil {
		return err
	}
	if err := unix.Mount(path, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("show %s: %w", path, err)
	}
	set := unix.MountAttr{Attr_set: attr, Attr_clr: 0}
	if err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &set); err != nil {
		return fmt.Errorf("show %s: attributes: %w", path, err)
	}
	return nil
}

// place makes something to mount on.
func place(to string, dir bool) error {
	if exists(to) {
		return nil
	}
	if dir {
		return os.MkdirAll(to, 0o755) //nolint:gosec // guests are other users
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // guests are other users
		return err
	}
	return os.WriteFile(to, nil, 0o644) //nolint:gosec // guests are other users
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// furnish makes what is a guest's own: temporary files and its processes.
func (b *builder) furnish() {
	if b.err != nil {
		return
	}
	for _, dir := range []string{guestTemp, "/proc", "/etc", "/dev"} {
		b.keep(os.MkdirAll(b.root+dir, 0o755)) //nolint:gosec // guests are other users
	}
	b.keep(unix.Mount("tmpfs", b.root+guestTemp, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,nr_inodes=%d,mode=1777", guestBytes, guestFiles)))
	for _, options := range []string{"subset=pid", ""} { // the first since 5.8; neither where parts of /proc are covered
		if unix.Mount("proc", b.root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options) == nil {
			break
		}
	}
	for name, to := range map[string]string{"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"} {
		b.keep(os.Symlink("/proc/self/fd"+to, b.root+"/dev/"+name))
	}
}

// sockets puts a folder of the guest's temporary files where its sockets are to
// be, and hands it to the host, which has no other way to it.
func (b *builder) sockets(o order) {
	if b.err != nil || o.Policy.Sockets == "" {
		return
	}
	own, at := b.root+guestTemp+"/.sockets", b.root+o.Policy.Sockets
	b.keep(errors.Join(os.Mkdir(own, 0o700), place(at, true)))
	if o.UID != 0 {
		b.keep(os.Chown(own, o.UID, o.UID))
	}
	if b.err != nil {
		return
	}
	if err := unix.Mount(own, at, "", unix.MS_BIND, ""); err != nil {
		b.keep(fmt.Errorf("sockets: %w", err))
		return
	}
	fd, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.keep(fmt.Errorf("sockets: %w", err))
		return
	}
	b.keep(send(sentFolder, fd))
	_ = unix.Close(fd)
}

// identify says who and where a guest is, unless the system's files are shown.
func (b *builder) identify() {
	if b.err != nil {
		return
	}
	id := strconv.Itoa(b.uid)
	for name, text := range map[string]string{
		"passwd": "plugin:x:" + id + ":" + id + "::/nonexistent:/bin/false\n", "group": "plugin:x:" + id + ":\n",
		"hosts": "127.0.0.1 localhost\n::1 localhost\n",
	} {
		if to := b.root + "/etc/" + name; !exists(to) {
			b.keep(os.WriteFile(to, []byte(text), 0o644)) //nolint:gosec // guests are other users
		}
	}
}

// move makes the new root this process's and lets go of the old one.
func (b *builder) move() error {
	if err := unix.Chdir(b.root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("old root: %w", err)
	}
	set := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &set); err != nil {
		return fmt.Errorf("root: attributes: %w", err)
	}
	return unix.Chdir("/")
}

// portsOf are the ports of "host:port" pairs.
func portsOf(pairs []string) (ports []uint16) {
	for _, pair := range pairs {
		if n, err := strconv.ParseUint(pair[strings.LastIndex(pair, ":")+1:], 10, 16); err == nil {
			ports = append(ports, uint16(n))
		}
	}
	return ports
}
