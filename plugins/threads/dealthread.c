/* The lesson's C library: a function that keeps one processor busy for ever. */
void DealThread(void)
{
    while (1)
    {
        ;
    }
}
