"""SIGKILL before and after everything that a call does outside its process, on real LVM."""
