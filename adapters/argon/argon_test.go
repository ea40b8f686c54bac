package argon

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

var cheap = Params{Memory: 64, Time: 1, Threads: 1}

func TestVerify(t *testing.T) {
	h := newHasher(cheap, 2)
	composed, decomposed := secret.Secret("caf\u00e9 au lait et croissant"), secret.Secret("cafe\u0301 au lait et croissant")
	hash, err := h.Hash(t.Context(), composed)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Hash(t.Context(), composed)
	if err != nil || again == hash {
		t.Errorf("two hashes of one password are the same: %v", err)
	}
	other, err := newHasher(Params{Memory: 128, Time: 1, Threads: 1}, 1).Hash(t.Context(), composed)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := h.Hash(t.Context(), "another password altogether")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		password     secret.Secret
		hashes       []string
		match, stale bool
	}{
		"right":            {composed, []string{hash}, true, false},
		"typed otherwise":  {decomposed, []string{hash}, true, false},
		"wrong":            {"cafe au lait et croissant", []string{hash}, false, false},
		"empty":            {"", []string{hash}, false, false},
		"nobody":           {composed, nil, false, false},
		"of another price": {composed, []string{other}, true, true},
		"one of several":   {composed, []string{elsewhere, hash}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			match, stale, err := h.Verify(t.Context(), tc.password, tc.hashes...)
			if err != nil || match != tc.match || stale != tc.stale {
				t.Errorf("match %v, stale %v, %v", match, stale, err)
			}
		})
	}
}

// The cost of an unknown account is that of a known one. Counted, not timed.
func TestNobodyCostsTheSame(t *testing.T) {
	h := newHasher(cheap, 1)
	var prices []Params
	h.compute = func(password, salt []byte, p Params) []byte {
		prices = append(prices, p)
		return compute(password, salt, p)
	}
	salt := []byte("a salt of an address")
	var rivals []string
	for _, password := range []secret.Secret{"a password that somebody has", "one that a stranger made up"} {
		hash, err := h.HashSalted(t.Context(), password, salt)
		if err != nil {
			t.Fatal(err)
		}
		rivals = append(rivals, hash)
	}
	prices = nil
	for _, stored := range [][]string{rivals[:1], rivals, nil} {
		if _, _, err := h.Verify(t.Context(), "a guess", stored...); err != nil {
			t.Fatal(err)
		}
	}
	if len(prices) != 3 || prices[0] != prices[1] || prices[1] != prices[2] {
		t.Errorf("paid %v", prices)
	}
}

// A flood is turned away; those in the queue get their answer.
func TestAFullQueueIsToldToComeBack(t *testing.T) {
	const workers = 2
	h := newHasher(cheap, workers)
	var running, most atomic.Int32
	started, release := make(chan struct{}, 64), make(chan struct{})
	h.compute = func([]byte, []byte, Params) []byte {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		started <- struct{}{}
		<-release
		running.Add(-1)
		return make([]byte, keySize)
	}
	room := cap(h.queue)
	results := make(chan error, room)
	for range room {
		go func() {
			_, err := h.Hash(t.Context(), "x")
			results <- err
		}()
	}
	for range workers {
		<-started
	}
	for len(h.queue) < room { // until the goroutines above have queued up
		runtime.Gosched()
	}
	_, err := h.Hash(t.Context(), "one too many")
	if f := fault.Of(err); f == nil || f.Code != fault.RateLimited || f.RetryAfter <= 0 {
		t.Errorf("err = %v, want rate_limited with a time", err)
	}
	close(release)
	for range room {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > workers {
		t.Errorf("%d at once, want %d", most.Load(), workers)
	}
}

// However many sign in at once, hashing takes the memory of as many hashes as
// there are workers; the queue is short and whoever is past it is told at once.
func TestFiveHundredSignInsTakeTheMemoryOfAFew(t *testing.T) {
	const workers, crowd = 2, 500
	h := newHasher(Current(), workers)
	var running, most, computed atomic.Int32
	turnedAway := make(chan struct{}, crowd)
	h.compute = func([]byte, []byte, Params) []byte {
		most.Store(max(most.Load(), running.Add(1)))
		for len(turnedAway) < crowd-cap(h.queue) { // until all the others have their answer
			runtime.Gosched()
		}
		running.Add(-1)
		computed.Add(1)
		return make([]byte, keySize)
	}
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() {
			if _, _, err := h.Verify(t.Context(), "a guess"); fault.Is(err, fault.RateLimited) {
				turnedAway <- struct{}{}
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := int(computed.Load()); got != cap(h.queue) || len(turnedAway) != crowd-got {
		t.Errorf("%d computed, %d turned away", got, len(turnedAway))
	}
	if bound := int(most.Load()) * int(Current().Memory) / 1024; most.Load() > workers || bound > 150 {
		t.Errorf("%d at once: %d MiB", most.Load(), bound)
	}
}

func TestAGoneCallerLeavesTheQueue(t *testing.T) {
	h := newHasher(cheap, 1)
	h.workers <- struct{}{} // somebody is at it
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "x"); !fault.Is(err, fault.Canceled) {
		t.Errorf("err = %v", err)
	}
	if len(h.queue) != 0 {
		t.Errorf("%d still in the queue", len(h.queue))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(newHasher(cheap, 1).nobody)
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAA$AAAA")
	f.Add("$2b$10$abcdefghijklmnopqrstuv")
	f.Fuzz(func(t *testing.T, hash string) {
		p, salt, key, err := decode(hash)
		if err != nil {
			if len(hash) > 8 && strings.Contains(err.Error(), hash) {
				t.Error("the error repeats the hash")
			}
			return
		}
		if p.Memory > maxMemory || p.Time > maxTime || len(key) != keySize || len(salt) < 8 {
			t.Errorf("accepted %+v", p)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	h := newHasher(Current(), 1)
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "correct horse battery staple"); err != nil {
			b.Fatal(err)
		}
	}
}

// What hashes took is given back once nobody signs in any more, and not while
// they do.
func TestMemoryIsGivenBackWhenItIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheap, 1)
		var given atomic.Int64
		h.rest = time.AfterFunc(quiet, func() { given.Add(1) })
		h.rest.Stop()
		for range 5 {
			<-time.After(quiet - 1)
			if _, err := h.Hash(t.Context(), "seven bells at noon"); err != nil {
				t.Fatal(err)
			}
		}
		if synctest.Wait(); given.Load() != 0 {
			t.Errorf("given back %d times in between", given.Load())
		}
		<-time.After(time.Hour)
		if synctest.Wait(); given.Load() != 1 {
			t.Errorf("given back %d times", given.Load())
		}
	})
}
