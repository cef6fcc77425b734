SELECT at FROM posthaste.horizon FOR SHARE
