package sandbox

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// openNetwork furnishes a network of the guest's own, which has a loopback
// interface and no way out. On it the listeners stand in for what the guest
// may reach: the host holds their other end. An address that the policy does
// not name does not exist there, which no rule about ports can say.
func openNetwork(addresses []string) error {
	if err := raise("lo"); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	var fds []int
	for _, a := range addresses {
		fd, err := listen(a)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", a, err)
		}
		fds = append(fds, fd)
	}
	if len(fds) == 0 {
		return nil
	}
	return send(sentListeners, fds...)
}

func raise(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

func listen(address string) (int, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	domain, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()})
	if at.Addr().Is4() {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, to); err != nil {
		return 0, err
	}
	return fd, unix.Listen(fd, 128)
}
