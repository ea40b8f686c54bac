package main

import (
	"time"

	"github.com/carillonhq/carillon/tenants/erasure"
	"github.com/carillonhq/carillon/tenants/exports"
)

// ends is how a tenant leaves: with all it owns, and for good.
type ends struct {
	exports  *exports.Service
	erasures *erasure.Service
}

func (k *kernel) openEnds() {
	k.ends = ends{
		exports.New(k.db.Exports(), k.blobs, k.authz, time.Now),
		erasure.New(k.db.Erasures(), k.blobs, k.authz, k.cfg.ErasureWait, time.Now),
	}
}
