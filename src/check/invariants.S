/* invariants.sql inside the binary. Named by check.c only; CMake defines FG_INVARIANTS as the file's path. */
    .section .rodata
    .global fg_invariants
    .global fg_invariants_end
fg_invariants:
    .incbin FG_INVARIANTS
fg_invariants_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
