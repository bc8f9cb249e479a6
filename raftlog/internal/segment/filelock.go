package segment

// fileLock is a mutex for what is held across file operations. It is a channel because a simulation's disk is slow in
// virtual time, which does not pass while a goroutine waits for a sync.Mutex.
type fileLock chan struct{}

func newFileLock() fileLock { return make(fileLock, 1) }

func (l fileLock) Lock() { l <- struct{}{} }

func (l fileLock) Unlock() { <-l }
