"""The pages and the API: what people see of incidents, and how they take them."""
