// Package openaifake is OpenAI's API as far as the plugin uses it: its shapes,
// its stream, its errors. What a request says decides what goes wrong with it.
//
// Words of the last message: #429 (come back in 2 s), #quota (no credit),
// #filter, #long, #500, #503, #slow (a pause in the stream until Release),
// #drop (the stream breaks), #error (an error within the stream), #refuse,
// #tool (in each of n choices), #cached, and #large of a picture or a speech.
// Start with New.
package openaifake

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Key is the only API key it takes.
const Key = "sk-test-0123456789abcdef"

// Server is the fake.
type Server struct {
	*httptest.Server
	release chan struct{}
	once    sync.Once

	mu      sync.Mutex
	charges int
	bodies  []map[string]any
}

// Models are those it has.
var Models = []string{"gpt-4.1-nano", "gpt-4o-mini", "gpt-image-1-mini", "tts-1", "text-embedding-3-small", "omni-moderation-latest"}

// New starts it.
func New() *Server {
	s := &Server{release: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", s.models)
	mux.HandleFunc("POST /v1/chat/completions", s.paid(s.chat))
	mux.HandleFunc("POST /v1/embeddings", s.paid(s.embeddings))
	mux.HandleFunc("POST /v1/images/generations", s.paid(s.images))
	mux.HandleFunc("POST /v1/audio/speech", s.paid(s.speech))
	mux.HandleFunc("POST /v1/moderations", s.paid(s.moderations))
	s.Server = httptest.NewServer(mux)
	return s
}

// Base is its address as the plugin wants it.
func (s *Server) Base() string { return s.URL + "/v1" }

// Release ends the pauses of #slow.
func (s *Server) Release() { s.once.Do(func() { close(s.release) }) }

// Close ends the server.
func (s *Server) Close() { s.Release(); s.Server.Close() }

// Charges is how often the account was charged.
func (s *Server) Charges() int { s.mu.Lock(); defer s.mu.Unlock(); return s.charges }

// Last is the body of the last paid request.
func (s *Server) Last() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bodies) == 0 {
		return nil
	}
	return s.bodies[len(s.bodies)-1]
}

func refuse(w http.ResponseWriter, status int, kind, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": message, "type": kind, "param": nil, "code": code}})
}

// paid checks what every paid request has to have, and makes the trouble that
// it asks for.
func (s *Server) paid(serve func(http.ResponseWriter, map[string]any, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-request-id", "req_fake")
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			refuse(w, 400, "invalid_request_error", "invalid_json", "We could not parse the JSON body of your request.")
			return
		}
		text := said(body)
		name, _ := body["model"].(string)
		switch has := func(word string) bool { return strings.Contains(text, word) }; {
		case r.Header.Get("Authorization") != "Bearer "+Key:
			refuse(w, 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: "+r.Header.Get("Authorization"))
		case !slices.Contains(Models, name):
			refuse(w, 404, "invalid_request_error", "model_not_found", "The model `"+name+"` does not exist.")
		case has("#429"):
			w.Header().Set("retry-after", "2")
			w.Header().Set("x-ratelimit-remaining-requests", "0")
			refuse(w, 429, "requests", "rate_limit_exceeded", "Rate limit reached.")
		case has("#quota"):
			refuse(w, 429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota.")
		case has("#filter"):
			refuse(w, 400, "invalid_request_error", "content_policy_violation", "Your request was rejected by our safety system.")
		case has("#long"):
			refuse(w, 400, "invalid_request_error", "context_length_exceeded", "This model's maximum context length is 1000 tokens.")
		case has("#500"):
			refuse(w, 500, "server_error", "", "The server had an error.")
		case has("#503"):
			refuse(w, 503, "server_error", "overloaded", "The engine is currently overloaded.")
		default:
			s.mu.Lock()
			s.charges++
			s.bodies = append(s.bodies, body)
			s.mu.Unlock()
			serve(w, body, text)
		}
	}
}

// said is what the request's words are looked for in.
func said(body map[string]any) string {
	if list, ok := body["messages"].([]any); ok && len(list) > 0 {
		last, _ := list[len(list)-1].(map[string]any)
		raw, _ := json.Marshal(last["content"])
		return strings.Trim(string(raw), `"`)
	}
	for _, name := range []string{"prompt", "input"} {
		if text, ok := body[name].(string); ok {
			return text
		}
	}
	return ""
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	list := []any{}
	for _, m := range Models {
		list = append(list, map[string]any{"id": m, "object": "model", "created": 1, "owned_by": "fake"})
	}
	answer(w, map[string]any{"object": "list", "data": list})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// chat answers as a stream: a word a chunk, then the reason, then the usage.
func (s *Server) chat(w http.ResponseWriter, body map[string]any, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	at := 0 // the choice
	send := func(delta map[string]any, reason any, usage any) {
		choices := []any{map[string]any{"index": at, "delta": delta, "finish_reason": reason, "logprobs": nil}}
		if usage != nil {
			choices = []any{}
		}
		raw, _ := json.Marshal(map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"], "choices": choices, "usage": usage, "obfuscation": "x",
		})
		_, _ = fmt.Fprintf(w, "data: %s\n\n", raw)
		w.(http.Flusher).Flush()
	}
	words := strings.Fields("You said: " + text)
	if body["response_format"] != nil {
		words = []string{`{"caption":`, `"hello"}`}
	}
	send(map[string]any{"role": "assistant", "content": ""}, nil, nil)
	for i, word := range words {
		switch {
		case i == 2 && strings.Contains(text, "#slow"):
			<-s.release
		case i == 2 && strings.Contains(text, "#drop"):
			panic(http.ErrAbortHandler)
		case i == 2 && strings.Contains(text, "#error"):
			_, _ = fmt.Fprint(w, "data: {\"error\":{\"message\":\"The server had an error.\",\"type\":\"server_error\",\"code\":null}}\n\n")
			return
		}
		send(map[string]any{"content": word + " "}, nil, nil)
	}
	reason := "stop"
	switch {
	case strings.Contains(text, "#refuse"):
		send(map[string]any{"refusal": "I cannot help with that."}, nil, nil) // and it ends with "stop", as the vendor does
	case strings.Contains(text, "#tool"):
		n, _ := body["n"].(float64)
		for _, piece := range toolCall() {
			for at = range max(1, int(n)) {
				send(map[string]any{"tool_calls": []any{piece}}, nil, nil)
			}
		}
		at, reason = 0, "tool_calls"
	}
	send(map[string]any{}, reason, nil)
	cached := 0
	if strings.Contains(text, "#cached") {
		cached = 8
	}
	send(nil, nil, map[string]any{
		"prompt_tokens": 20, "completion_tokens": len(words), "total_tokens": 20 + len(words), "prompt_tokens_details": map[string]any{"cached_tokens": cached},
	})
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n")
}

// toolCall is one as a stream has it, in pieces.
func toolCall() []any {
	return []any{
		map[string]any{"index": 0, "id": "call_1", "type": "function", "function": map[string]any{"name": "find_slot", "arguments": `{"day":`}},
		map[string]any{"index": 0, "function": map[string]any{"arguments": `"monday"}`}},
	}
}

func (s *Server) embeddings(w http.ResponseWriter, body map[string]any, _ string) {
	list, _ := body["input"].([]any)
	data := []any{}
	for i := range list {
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": []float32{0.5, float32(i)}})
	}
	answer(w, map[string]any{"object": "list", "data": data, "model": body["model"], "usage": map[string]any{"prompt_tokens": 7, "total_tokens": 7}})
}

func (s *Server) images(w http.ResponseWriter, _ map[string]any, text string) {
	size := 100
	if strings.Contains(text, "#large") {
		size = 2 << 20
	}
	answer(w, map[string]any{"created": 1, "data": []any{map[string]any{
		"b64_json": base64.StdEncoding.EncodeToString(make([]byte, size)), "revised_prompt": "a better " + text,
	}}})
}

func (s *Server) speech(w http.ResponseWriter, _ map[string]any, text string) {
	w.Header().Set("Content-Type", "audio/mpeg")
	_, _ = w.Write([]byte("ID3 sound"))
	if strings.Contains(text, "#large") { // a byte over 32 MiB
		_, _ = w.Write(make([]byte, 32<<20-8))
	}
}

func (s *Server) moderations(w http.ResponseWriter, body map[string]any, text string) {
	bad := strings.Contains(text, "#violent")
	score := 0.01
	if bad {
		score = 0.98
	}
	answer(w, map[string]any{"id": "modr-1", "model": body["model"], "results": []any{map[string]any{
		"flagged": bad, "categories": map[string]any{"violence": bad}, "category_scores": map[string]any{"violence": score},
	}}})
}
