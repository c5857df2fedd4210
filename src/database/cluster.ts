/** Every running server has this lock, shared; who needs all of them stopped takes it alone. */
export const SERVERS = 'servers';
