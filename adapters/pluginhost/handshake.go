package pluginhost

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"

	"github.com/carillonhq/carillon/plugins/sdk"
)

// checkHandshake judges the first line of a plugin, which is
//
//	CORE|PROTOCOL|unix|SOCKET|grpc|CERTIFICATE
//
// and may carry a seventh field, true or false. The stock client believes it:
// a line could send the host to any address on the network, or crash it with a
// certificate that it cannot read. The socket has to be in dir itself.
func checkHandshake(line string, tooLong bool, dir string) error {
	parts := strings.Split(strings.TrimRight(line, "\r"), "|")
	switch {
	case tooLong:
		return fmt.Errorf("the first line is over %d bytes", maxHandshake)
	case len(parts) < 5 || len(parts) > 7:
		return fmt.Errorf("%d fields: %.60q", len(parts), line)
	case parts[0] != strconv.Itoa(plugin.CoreProtocolVersion):
		return fmt.Errorf("core protocol %.20q", parts[0])
	case parts[1] != strconv.Itoa(sdk.Protocol):
		return fmt.Errorf("protocol %.20q, this host speaks %d", parts[1], sdk.Protocol)
	case parts[2] != "unix":
		return fmt.Errorf("network %.20q", parts[2])
	case parts[4] != string(plugin.ProtocolGRPC):
		return fmt.Errorf("transport %.20q", parts[4])
	case !filepath.IsAbs(parts[3]) || filepath.Clean(parts[3]) != parts[3] || filepath.Dir(parts[3]) != dir:
		return errors.New("the socket is outside the plugin's directory")
	case len(parts) == 7 && parts[6] != "true" && parts[6] != "false":
		return fmt.Errorf("multiplexing %.20q", parts[6])
	}
	return checkCertificate(parts)
}

func checkCertificate(parts []string) error {
	cert := ""
	if len(parts) > 5 {
		cert = parts[5]
	}
	der, err := base64.RawStdEncoding.DecodeString(cert)
	switch {
	case err != nil:
		return errors.New("the certificate is not base64")
	case len(der) == 0:
		return errors.New("no certificate")
	}
	return nil
}

// socketOf is the path of the socket in a checked line, as the plugin says it.
func socketOf(line string) string { return strings.Split(line, "|")[3] }

// checkSocket makes sure that there is a socket at a path, not a link to one.
func checkSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is no socket", info.Mode().Type())
	}
	return nil
}
