package wire

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/social"
)

// ManifestJSON is a manifest as a bundle holds it: the wire's message in the
// JSON of protobuf, with the names of the .proto, no spaces.
func ManifestJSON(m social.Manifest) ([]byte, error) {
	raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(FromManifest(m))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Compact(&out, raw) // protojson puts spaces at random
	return out.Bytes(), err
}

// ParseManifestJSON reads what ManifestJSON wrote, also what a later version
// of it did: fields that are not known are left out. Whether the manifest makes
// sense is for sdk.CheckManifest to say.
func ParseManifestJSON(raw []byte) (social.Manifest, error) {
	var m pb.Manifest
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, &m); err != nil {
		return social.Manifest{}, err
	}
	Clean(&m)
	return ToManifest(&m), nil
}
