/* gen/descriptor_set.pb inside the binary: what reflection, rules, policies and describe are read from.
 * Named by descriptors.c only; CMake defines FG_DESCRIPTOR_SET as the file's path. */
    .section .rodata
    .global fg_descriptor_set
    .global fg_descriptor_set_end
    .balign 16
fg_descriptor_set:
    .incbin FG_DESCRIPTOR_SET
fg_descriptor_set_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
