package apply

// SwapLockStatement takes the swap's lock.
var SwapLockStatement = swapLock
