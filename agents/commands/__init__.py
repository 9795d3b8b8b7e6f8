"""The commands of `flashover`, one file each: what a person or a script asks, not what mentions mean."""
