package jobs

// Mail writes a letter and sends it. There is no token in it, nor who the
// reader is: whoever works it looks the address up and draws the token then,
// so neither a backup of the queue nor the time a request takes gives anything
// away. People belong to no tenant, and neither does their mail.
type Mail struct {
	ID      string `json:"id"`
	Letter  string `json:"letter"`
	Email   string `json:"email"`
	Pending string `json:"pending,omitempty"` // the registration to verify; empty: the latest
}

// Kind implements river.JobArgs.
func (Mail) Kind() string { return "identity.mail" }
