"""Tables, panels, pictures and one-line diagrams."""
