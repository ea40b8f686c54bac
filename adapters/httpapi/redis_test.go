package httpapi

import (
	"context"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
)

// redisServer is a real one of the test's own.
type redisServer struct {
	t    *testing.T
	port string
	args []string
	cmd  *exec.Cmd
}

func startRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, args: args}
	_, s.port, _ = net.SplitHostPort(ln.Addr().String())
	_ = ln.Close()
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", append([]string{"--port", s.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.t.TempDir()}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("%v: tools/deps.sh test installs it", err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		if c, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			s.t.Fatal("Redis does not listen")
		}
	}
}

// kill ends it as a crash would.
func (s *redisServer) kill() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *redisServer) freeze() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

func (s *redisServer) thaw() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

func (s *redisServer) limits(password string) *Limits {
	s.t.Helper()
	o, err := RedisOptions("redis://:" + password + "@127.0.0.1:" + s.port)
	if err != nil {
		s.t.Fatal(err)
	}
	c := redis.NewClient(o)
	s.t.Cleanup(func() { _ = c.Close() })
	return NewLimits(c)
}

// shares reports whether l counts where others do.
func shares(l *Limits) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remote != nil
}

// tries is how many of n at once are let in, and the longest that one took.
func tries(l *Limits, class, name string, n int, rate int64) (in int, longest time.Duration) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			began := time.Now()
			reached := l.take(context.Background(), class, name, rate).Reached
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, took)
			if !reached {
				in++
			}
		})
	}
	all.Wait()
	return in, longest
}

// What becomes of Redis decides who counts, and never whether a request is
// answered: sign-in is stricter alone, everything else counts as before.
func TestRedisIsLost(t *testing.T) {
	for name, tc := range map[string]struct {
		lose     func(*redisServer, *Limits)
		password string
	}{
		"at the start":     {lose: func(s *redisServer, _ *Limits) { s.kill() }},
		"in the middle":    {lose: func(s *redisServer, l *Limits) { l.take(context.Background(), "read", "warm", 300); s.kill() }},
		"frozen":           {lose: func(s *redisServer, l *Limits) { l.take(context.Background(), "read", "warm", 300); s.freeze() }},
		"frozen from then": {lose: func(s *redisServer, _ *Limits) { s.freeze() }},
		"wrong password":   {lose: func(*redisServer, *Limits) {}, password: "wrong"},
		"forgetful": {lose: func(s *redisServer, l *Limits) { // it was started anew, and knows no script
			l.take(context.Background(), "read", "warm", 300)
			s.kill()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{}
			if tc.password != "" {
				args = []string{"--requirepass", "right"}
			}
			s := startRedis(t, args...)
			l := s.limits(tc.password)
			tc.lose(s, l)
			if in, longest := tries(l, "sign_in", "x", 200, 60); in != alone || longest > 10*time.Second {
				t.Errorf("%d of 200 sign-ins were let in alone, the slowest in %s", in, longest)
			}
			if in, _ := tries(l, "read", "x", 400, 300); in != 300 {
				t.Errorf("%d of 400 reads were let in alone", in)
			}
			if shares(l) {
				t.Error("it still counts with others")
			}
			if tc.password != "" {
				return
			}
			switch name {
			case "frozen", "frozen from then":
				s.thaw()
			default:
				s.start()
			}
			for end := time.Now().Add(20 * time.Second); !shares(l); {
				if time.Now().After(end) {
					t.Fatal("it does not go back")
				}
				l.mu.Lock()
				l.retryAt = time.Time{} // the pause is over
				l.mu.Unlock()
				l.take(context.Background(), "read", "back", 300)
			}
			if in, _ := tries(l, "sign_in", "afterwards", 100, 60); in != 60 && in != alone { // one slow answer is enough to be alone again
				t.Errorf("%d sign-ins were let in together", in)
			}
		})
	}
}

// Over HTTP, too, nobody hears of it: no failure, and a limit that is announced.
func TestRequestsDoNotHearOfALostRedis(t *testing.T) {
	s := startRedis(t)
	cfg := testConfig()
	cfg.Limits = s.limits("")
	addr := serve(t, cfg, echoRoute, api.Route{Method: "POST", Path: "/test/login", Public: "test", Rate: "sign_in", Handler: echo})
	ask := func(path, headers string) int {
		res, _ := raw(t, addr, "POST /api/v1/test/"+path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+headers+"\r\n")
		if res.Header.Get("RateLimit") == "" {
			t.Errorf("%d announces no limit", res.StatusCode)
		}
		return res.StatusCode
	}
	seen := map[int]int{}
	for i := range 60 {
		switch i {
		case 10:
			s.kill()
		case 30:
			s.start()
		case 40:
			s.freeze()
		case 50:
			s.thaw()
		}
		seen[ask("echo", "Authorization: Bearer key\r\n")]++
		seen[ask("login", "")]++
	}
	if seen[200]+seen[429] != 120 || seen[200] < 60+alone {
		t.Errorf("answers: %v", seen)
	}
}
