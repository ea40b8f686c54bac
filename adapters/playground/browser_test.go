package playground_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a page of this machine's Chromium.
type browser struct {
	*testing.T
	ctx context.Context

	mu    sync.Mutex
	wrong []string // what the page complains of
}

// browse opens at in a browser without a window.
func browse(t *testing.T, at string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to have one as root; it only sees a page of ours
	}
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	ctx, end = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(end)
	b := &browser{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(at)); err != nil {
		t.Fatal(err)
	}
	return b
}

// chromium is where the browser is.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
		if path, err := exec.LookPath(name); err == nil && name != "" {
			return path
		}
	}
	t.Fatal("There is no Chromium on this machine. On Debian: tools/deps.sh test, or sudo apt-get install chromium; elsewhere set CHROMIUM to its path.")
	return ""
}

// hear notes exceptions and what the browser refuses the page.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.HasSuffix(e.Entry.URL, "/favicon.ico") {
			b.wrong = append(b.wrong, e.Entry.Text)
		}
	}
}

// ask is what an expression of the page is.
func ask[A any](b *browser, expression string) A {
	b.Helper()
	a, err := chromedp.Run(b.ctx, chromedp.Evaluate[A](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return a
}

// until waits for an expression of the page to be true.
func (b *browser) until(what, expression string) {
	b.Helper()
	tick, end := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for !ask[bool](b, "!!("+expression+")") {
		select {
		case <-tick.C:
		case <-end:
			b.Fatalf("not so: %s. The page says:\n%s", what, ask[string](b, "document.body.innerText"))
		}
	}
}

// click clicks what there is, as a person does who sees it.
func (b *browser) click(selector string) {
	b.Helper()
	b.until(selector+" is there", fmt.Sprintf("(document.querySelector(%q)?.getClientRects().length ?? 0) > 0", selector))
	ask[bool](b, fmt.Sprintf("(document.querySelector(%q).click(), true)", selector))
}

// take is the newest publication: its phase and its steps, as they are shown.
const take = `(() => { const t = document.querySelector(".take"); if (!t) return "";
	return [t.querySelector(".pill").textContent, ...[...t.querySelectorAll("li")].map((s) => s.className)].join(", "); })()`

func (b *browser) shows(count int, want string) {
	b.Helper()
	b.until("shows "+want, fmt.Sprintf(`document.querySelectorAll(".take").length === %d && %s === %q`, count, take, want))
}

// TestThePageInABrowser does what an author does: looks, publishes, loses a
// reply, and crashes the plugin between two steps.
func TestThePageInABrowser(t *testing.T) {
	p := open(t, nil)
	b := browse(t, p.url)
	b.until("the plugin runs", `document.querySelector("#status .pill")?.textContent.startsWith("running") && document.querySelector("#name").textContent === "Pigeon"`)
	b.until("the text is counted", `/^\d+ of 500 /.test(document.querySelector("#counter").textContent)`)

	b.click("#compose button.main")
	b.shows(1, "published, publish next, commit receipt")
	b.until("what is live is shown", `document.querySelector("#count").textContent === "1" && document.querySelectorAll("#objects li").length === 1`)
	b.until("its requests are, too, and are no stranger's", `(() => { const calls = [...document.querySelectorAll(".take .call summary")].map((c) => c.textContent);
		return calls.some((c) => c.startsWith("POST ") && c.includes("/api/v1/posts")) && !calls.some((c) => c.includes("of no call")); })()`)

	b.click(`[data-arm="lose-reply"]`)
	b.until("the trouble is armed", `document.querySelector('[data-arm="lose-reply"]').getAttribute("aria-pressed") === "true"`)
	b.click("#compose button.main")
	b.shows(2, "published, publish next, commit fault, find found")
	b.until("the lost reply is named, and there is one object more", `document.querySelector(".take").textContent.includes("reply lost") && document.querySelector("#count").textContent === "2"`)

	b.click("#stepwise")
	b.click("#compose button.main")
	b.until("it waits", `document.querySelectorAll(".take").length === 3 && document.querySelector(".take header button")?.textContent === "Next step"`)
	b.click(".take header button")
	b.until("the first step is taken", take+` === "committing, publish next"`)
	b.click("#kill")
	b.until("the crash is told", `document.querySelector("#logs").textContent.includes("ended")`)
	b.until("it waits again", `document.querySelector(".take header button")?.textContent === "Next step"`)
	b.click(".take header button")
	b.shows(3, "published, publish next, commit receipt")

	b.until("no secret is on the page", fmt.Sprintf(`!document.documentElement.outerHTML.includes(%q)`, p.token))
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.wrong) > 0 {
		t.Errorf("the page complains: %q", b.wrong)
	}
}
