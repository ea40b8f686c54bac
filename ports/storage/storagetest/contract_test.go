package storagetest_test

import (
	"testing"

	"github.com/carillonhq/carillon/ports/storage/storagetest"
)

func TestMemory(t *testing.T) { storagetest.Run(t, &storagetest.Memory{}) }
