"""A storm of calls from many processes on few names, and what must be true after it.

plan      what the names are and what shall be left of them, all drawn from a seed
client    one process that calls at random and writes down what it was told
history   what all clients were told, and the contradictions in it
settle    every name brought to where the plan wants it, by calls alone
model     what LVM must then show, tag by tag
"""
