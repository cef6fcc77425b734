UPDATE posthaste.message SET targets = overlay(targets PLACING decode(repeat('00', 16), 'hex') FROM $2) WHERE id = $1
