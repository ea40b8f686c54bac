package declarative

import "time"

// File is what plugin.yaml holds. The tags are its grammar: decode.go reads by
// them and schema.go writes the editors' JSON Schema from them, so the two
// cannot disagree. need marks what must be there, max bounds a length or a
// figure, enum lists the words allowed.
type File struct {
	ID         string          `yaml:"id" need:"yes" max:"100" doc:"Reverse domain name of the platform, never changed: com.example.forum"`
	Name       string          `yaml:"name" need:"yes" max:"100" doc:"The platform's name for people"`
	Version    string          `yaml:"version" need:"yes" max:"100" doc:"Semantic version of this file: 1.0.0"`
	Summary    string          `yaml:"summary" max:"1000"`
	Homepage   string          `yaml:"homepage" max:"2000"`
	APIVersion string          `yaml:"api_version" max:"100" doc:"Version of the platform's API that the requests are written for"`
	Sunset     time.Time       `yaml:"sunset" doc:"When that version stops working: 2027-03-01"`
	Auth       Auth            `yaml:"auth" need:"yes"`
	Settings   JSON            `yaml:"settings" doc:"JSON Schema of what an operator sets; expressions see it as app"`
	Egress     []string        `yaml:"egress" need:"yes" max:"50" doc:"The hosts that requests go to; {instance} is the account's own"`
	Quotas     []Quota         `yaml:"quotas" max:"50"`
	Formats    []Format        `yaml:"formats" need:"yes" max:"20"`
	Reply      bool            `yaml:"reply" doc:"Whether a post can answer another, so that threads work"`
	Dedup      string          `yaml:"dedup" enum:"none|find" doc:"How a lost commit is settled: by find, or by a person"`
	Settle     time.Duration   `yaml:"settle" doc:"How long after a lost commit its absence is not yet believed"`
	Headers    map[string]Text `yaml:"headers" max:"20" doc:"Sent with every request"`
	OK         Expr            `yaml:"ok" doc:"Which answers of status 2xx are successes; all, if not given"`
	Faults     []Rule          `yaml:"faults" max:"100" doc:"What the platform's refusals mean; the first that fits counts"`
	Accounts   Accounts        `yaml:"accounts" need:"yes"`
	Publish    Publish         `yaml:"publish" need:"yes"`
	Find       *Find           `yaml:"find"`
	Metrics    *Metrics        `yaml:"metrics"`
}

// Auth is how an account is connected.
type Auth struct {
	Kind    string          `yaml:"kind" need:"yes" enum:"form|oauth2|none"`
	Form    JSON            `yaml:"form" doc:"JSON Schema of the form; fields of format password are kept as secrets"`
	Secrets map[string]Text `yaml:"secrets" max:"20" doc:"What to keep sealed, made of the form's input; by default its password fields"`
	Public  map[string]Text `yaml:"public" max:"20" doc:"What to keep in the open; by default the other fields"`
	Refuse  []Refusal       `yaml:"refuse" max:"20" doc:"Input that cannot be right"`
	OAuth2  *OAuth2         `yaml:"oauth2" doc:"The host runs the sign-in; requests see credential.token"`
}

// OAuth2 is what the host needs to run the authorization code flow.
type OAuth2 struct {
	AuthorizeURL     string            `yaml:"authorize_url" need:"yes" max:"2000"`
	TokenURL         string            `yaml:"token_url" need:"yes" max:"2000"`
	RevokeURL        string            `yaml:"revoke_url" max:"2000"`
	RegisterURL      string            `yaml:"register_url" max:"2000"`
	Scopes           []string          `yaml:"scopes" need:"yes" max:"100"`
	PKCE             bool              `yaml:"pkce"`
	AuthorizeParams  map[string]string `yaml:"authorize_params" max:"50"`
	BasicClientAuth  bool              `yaml:"basic_client_auth"`
	SingleUseRefresh bool              `yaml:"single_use_refresh"`
}

// Quota is an allowance that the host keeps to.
type Quota struct {
	ID     string        `yaml:"id" need:"yes" max:"64"`
	Scope  string        `yaml:"scope" need:"yes" enum:"app|tenant|account"`
	Limit  int           `yaml:"limit" need:"yes"`
	Window time.Duration `yaml:"window" need:"yes"`
}

// Format is one kind of object that the platform takes.
type Format struct {
	ID       string   `yaml:"id" need:"yes" max:"64"`
	Name     string   `yaml:"name" need:"yes" max:"100"`
	Text     TextRule `yaml:"text"`
	Media    Media    `yaml:"media"`
	Settings JSON     `yaml:"settings" doc:"JSON Schema of the settings of a post"`
	Scopes   []string `yaml:"scopes" max:"50"`
}

// TextRule limits a text.
type TextRule struct {
	Max       int    `yaml:"max"`
	Count     string `yaml:"count" enum:"codepoints|graphemes|utf16|bytes|x_weighted"`
	MaxBytes  int    `yaml:"max_bytes"`
	URLWeight int    `yaml:"url_weight"`
	Optional  bool   `yaml:"optional" doc:"The text may be empty when there is media"`
}

// Media limits the attachments.
type Media struct {
	Kinds     []string `yaml:"kinds" max:"3" enum:"image|video|audio"`
	Max       int      `yaml:"max"`
	MIMEs     []string `yaml:"mimes" max:"50"`
	MaxBytes  int64    `yaml:"max_bytes"`
	MaxWidth  int      `yaml:"max_width"`
	MaxHeight int      `yaml:"max_height"`
	MaxAlt    int      `yaml:"max_alt"`
}

// Refusal turns away what cannot work, before or after a request.
type Refusal struct {
	When    Expr   `yaml:"when" need:"yes"`
	Kind    string `yaml:"kind" enum:"invalid|permission|policy|unsupported|not_found|auth_revoked|permanent" doc:"invalid, if not given"`
	Key     string `yaml:"key" need:"yes" max:"64" doc:"Slug: caption_too_long"`
	Message Text   `yaml:"message" need:"yes" doc:"For people"`
	Field   string `yaml:"field" max:"200" doc:"JSON Pointer of the input at fault: /content/text"`
	Limit   int    `yaml:"limit"`
	Actual  Expr   `yaml:"actual"`
}

// Rule says what an answer means that is no success.
type Rule struct {
	Status        Statuses `yaml:"status" doc:"429, 4xx, or a list of those; any, if not given"`
	When          Expr     `yaml:"when"`
	Kind          string   `yaml:"kind" need:"yes" enum:"auth_expired|auth_revoked|permission|rate_limited|invalid|policy|duplicate|not_found|unsupported|transient|permanent|ambiguous"`
	Key           string   `yaml:"key" need:"yes" max:"64" doc:"Slug: rate_limited"`
	Message       Text     `yaml:"message" need:"yes" doc:"For people"`
	Field         string   `yaml:"field" max:"200" doc:"JSON Pointer of the input at fault: /content/text"`
	RetryAfter    Expr     `yaml:"retry_after" doc:"Seconds to wait; by default what the header Retry-After says"`
	Scope         string   `yaml:"scope" enum:"app|tenant|account" doc:"Whose limit it is"`
	Missing       []string `yaml:"missing" max:"50" doc:"Scopes or roles that a permission lacks"`
	SurelyRefused bool     `yaml:"surely_refused" doc:"The platform documents that a commit answered so had no effect, though the status is 3xx, 408, 425 or 5xx"`
}

// Request is one HTTP request.
type Request struct {
	When      Expr            `yaml:"when" doc:"Among several requests the first that fits is made"`
	Method    string          `yaml:"method" need:"yes" enum:"GET|POST|PUT|PATCH|DELETE"`
	URL       Text            `yaml:"url" need:"yes" doc:"https://host/path; the host is written out, values in the path are escaped"`
	Headers   map[string]Text `yaml:"headers" max:"20"`
	Query     map[string]Tree `yaml:"query" max:"50" doc:"Empty values are left out"`
	JSON      Tree            `yaml:"json"`
	Form      map[string]Tree `yaml:"form" max:"50"`
	Multipart *Multipart      `yaml:"multipart"`
	Body      string          `yaml:"body" enum:"attachment" doc:"The attachment itself is the body; in a step with each: media"`
	OK        Expr            `yaml:"ok"`
	Faults    []Rule          `yaml:"faults" max:"50" doc:"Looked at before the file's"`
}

// Multipart is a body of fields and files.
type Multipart struct {
	Fields map[string]Tree `yaml:"fields" max:"50" doc:"Objects and lists are sent as JSON"`
	Files  Text            `yaml:"files" doc:"The field name of each attachment: files[${index}]"`
}

// Step is one durable step, or, in accounts, one request of several.
type Step struct {
	Name     string          `yaml:"name" need:"yes" max:"40"`
	Label    string          `yaml:"label" max:"100" doc:"For people: waiting for the video"`
	When     Expr            `yaml:"when"`
	Each     string          `yaml:"each" enum:"media" doc:"Once for every attachment; what is saved is a list then"`
	Request  *Request        `yaml:"request"`
	Requests []Request       `yaml:"requests" max:"8"`
	Until    Expr            `yaml:"until" doc:"Asked again until this holds"`
	Every    time.Duration   `yaml:"every" doc:"How long to wait before asking again; 5s, if not given"`
	Most     int             `yaml:"most" max:"1000" doc:"How often to ask; 60 times, if not given"`
	Refuse   []Refusal       `yaml:"refuse" max:"20" doc:"Answers that end it"`
	Save     map[string]Tree `yaml:"save" max:"20" doc:"What later steps read as state"`
	Commit   bool            `yaml:"commit" doc:"This step is the one that cannot be taken back"`
}

// Accounts turns a credential into the accounts it can post to.
type Accounts struct {
	Steps   []Step  `yaml:"steps" need:"yes" max:"5"`
	List    Expr    `yaml:"list" doc:"The list in the last answer; item is one of it. Without it there is one account"`
	Account Account `yaml:"account" need:"yes"`
}

// Account maps an answer to an account.
type Account struct {
	ID     Text            `yaml:"id" need:"yes"`
	Handle Text            `yaml:"handle"`
	Name   Text            `yaml:"name"`
	Avatar Text            `yaml:"avatar"`
	URL    Text            `yaml:"url"`
	Type   Text            `yaml:"type"`
	Public map[string]Text `yaml:"public" max:"20"`
}

// Publish puts one object on the platform.
type Publish struct {
	Refuse  []Refusal `yaml:"refuse" max:"20" doc:"Content that the platform will not take, besides what the formats say"`
	Steps   []Step    `yaml:"steps" need:"yes" max:"20"`
	Receipt Receipt   `yaml:"receipt" need:"yes"`
}

// Receipt maps the commit's answer to the proof of publication.
type Receipt struct {
	Item        Expr            `yaml:"item" doc:"What the fields below call item, such as answer.result"`
	ID          Text            `yaml:"id" need:"yes"`
	URL         Text            `yaml:"url"`
	PublishedAt Expr            `yaml:"published_at" doc:"RFC 3339 or seconds since 1970"`
	Status      Text            `yaml:"status" doc:"live, processing or in_review; live, if not given"`
	Extra       map[string]Text `yaml:"extra" max:"20" doc:"What a reply needs besides the id"`
	Warnings    []Warning       `yaml:"warnings" max:"20"`
}

// Warning is something that was lost on the way.
type Warning struct {
	When    Expr `yaml:"when" need:"yes"`
	Message Text `yaml:"message" need:"yes"`
}

// Find looks for what a commit would have published.
type Find struct {
	Request Request       `yaml:"request" need:"yes"`
	List    Expr          `yaml:"list" need:"yes" doc:"The objects in the answer, newest first"`
	Match   Expr          `yaml:"match" need:"yes" doc:"Whether item is the object"`
	All     Expr          `yaml:"all" doc:"Whether the list reaches back to since; only then is absence believed. Never, if not given"`
	After   time.Duration `yaml:"after" doc:"When to ask again while unsure; 1m, if not given"`
	Receipt Receipt       `yaml:"receipt" need:"yes"`
}

// Metrics asks how one post did.
type Metrics struct {
	Request Request          `yaml:"request" need:"yes"`
	Values  map[string]*Expr `yaml:"values" need:"yes" max:"50"`
}
