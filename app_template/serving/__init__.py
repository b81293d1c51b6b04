"""How requests are taken, limited, answered and counted: what any app needs that serves a model."""
